// Promql reads expressions by Prometheus' own parser.
//
// Each line of standard input is an expression. For each, a line of JSON says why it is none, or which metrics it asks
// for, and of which of them over a range of time.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
)

type answer struct {
	Error   string   `json:"error"`
	Metrics []string `json:"metrics"`
	Ranges  []string `json:"ranges"`
}

func main() {
	reader := parser.NewParser(parser.Options{})
	answers := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := answers.Encode(read(reader, lines.Text())); err != nil {
			fail(err)
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func read(reader parser.Parser, expression string) answer {
	read := answer{Metrics: []string{}, Ranges: []string{}}
	parsed, err := reader.ParseExpr(expression)
	if err != nil {
		read.Error = err.Error()
		return read
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			read.Metrics = append(read.Metrics, node.Name)
		case *parser.MatrixSelector:
			if of, isSelector := node.VectorSelector.(*parser.VectorSelector); isSelector {
				read.Ranges = append(read.Ranges, of.Name)
			}
		}
		return nil
	})
	return read
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "promql:", err)
	os.Exit(1)
}
