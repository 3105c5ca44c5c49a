// Lifeline runs a program that never outlives whoever started it.
//
//	lifeline [--remove FOLDER] PROGRAM [ARGUMENT]...
//
// Its standard input is the line: while it is held open, the program runs; when it closes, because the holder closed
// it or was itself killed, the program and the processes that it started are killed. A line of input is the name of a
// signal to send (SIGTERM, SIGSTOP, ...). The exit code is the program's, or 128 and the signal that ended it.
// With --remove, the folder is removed when the program has ended.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	remove := flag.String("remove", "", "a `folder` to remove when the program has ended")
	flag.Parse()
	code, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "lifeline:", err)
		code = 127
	}
	if *remove != "" {
		removeFolder(*remove)
	}
	os.Exit(code)
}

func run(words []string) (int, error) {
	if len(words) == 0 {
		return 0, fmt.Errorf("no program is named")
	}
	program := exec.Command(words[0], words[1:]...)
	program.Stdout, program.Stderr = os.Stdout, os.Stderr
	// A process group of its own: Ctrl-C in a terminal is for the holder of the line, who ends things in order.
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := program.Start(); err != nil {
		return 0, err
	}
	group := -program.Process.Pid
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ended
		syscall.Kill(group, syscall.SIGKILL)
	}()
	go func() {
		for line := bufio.NewScanner(os.Stdin); line.Scan(); {
			if number := unix.SignalNum(line.Text()); number != 0 {
				syscall.Kill(group, number)
			}
		}
		syscall.Kill(group, syscall.SIGKILL)
	}()
	// The error is that of an exit code other than 0, which the state tells as well.
	_ = program.Wait()
	// What the program started and did not wait for.
	syscall.Kill(group, syscall.SIGKILL)
	status := program.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// removeFolder tries for a while, since another program that is just being killed may still make a file in it.
func removeFolder(folder string) {
	for attempt := 0; attempt < 50; attempt++ {
		if os.RemoveAll(folder) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "lifeline: cannot remove %s\n", folder)
}
