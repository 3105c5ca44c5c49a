//! Memory: what loading policies has used and serving does not is given back to the system, and none of it goes to disk.
#![expect(
    unsafe_code,
    reason = "the C library and the kernel are told of memory that is free, which nothing safe does"
)]

use std::ffi::c_int;
use std::thread;

use nix::sys::resource::{Resource, setrlimit};

/// Gives back what the heap has free, and drops the program's pages from its memory. Who uses a page of the program later
/// finds it in the page cache: of some 15 MiB that start and compilation go through, serving touches a third.
///
/// Takes less than a millisecond; the pages that are used again take another, on whichever thread uses them.
pub(crate) fn give_back() {
    trim_heap();
    drop_program();
}

/// Leaves no picture of the memory behind when the process is killed by a fault: Secrets and tokens pass through it.
pub(crate) fn never_dump() {
    // To ask for less than there is, is refused to nobody.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

/// Has all threads share as many heaps as there are cores: each keeps some of what it was once asked for. Call it before
/// there are threads.
pub(crate) fn limit_heaps() {
    let cores =
        thread::available_parallelism().map_or(1, |cores| c_int::try_from(cores.get()).unwrap_or(c_int::MAX));
    limit_heaps_to(cores);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn limit_heaps_to(heaps: c_int) {
    // SAFETY: no other thread is there yet.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn limit_heaps_to(_: c_int) {}

/// The heaps of all threads shrink.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim_heap() {
    // SAFETY: it touches memory alone that nobody has, and may be called at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim_heap() {}

#[cfg(target_os = "linux")]
fn drop_program() {
    unsafe extern "C" {
        /// Where the program begins in memory, and where its code ends: the linker defines both. Between them lie code
        /// and constants, which are mapped for reading alone.
        static __executable_start: u8;
        static etext: u8;
    }
    let (start, end) = (&raw const __executable_start, &raw const etext);
    // SAFETY: without effect on memory; the system knows the size of its pages.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let length = end.addr().saturating_sub(start.addr()) / page * page;
    // SAFETY: the range is whole pages of the mapped file, which nothing has written to. They are read from it again, the
    // same, when they are touched next. On failure nothing has changed, and nothing is lost.
    unsafe { libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn drop_program() {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// Pages of files in the memory of this process.
    #[expect(clippy::disallowed_methods, reason = "the system tells it in a file")]
    fn pages_of_files() -> usize {
        let sizes = std::fs::read_to_string("/proc/self/statm").unwrap();
        sizes.split(' ').nth(2).unwrap().parse().unwrap()
    }

    #[test]
    fn the_program_goes_on_with_fewer_of_its_pages() {
        let before = pages_of_files();
        give_back();
        let after = pages_of_files();
        assert!(after < before, "{after} of {before} pages");
    }
}
