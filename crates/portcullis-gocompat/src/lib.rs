//! What Go's libraries do, to the letter.
//!
//! Policies and resources were written for programs in Go: whether `1_000` is a number, what `1.5Gi` equals, how a
//! duration prints, is decided there. Each module stands for one library and says which.
//!
//! Everything here is a pure function of its arguments: no clock, no environment, no panic, no work that grows faster
//! than the input times the pattern.

pub mod duration;
pub mod fmt;
pub mod image;
pub mod json;
pub mod labels;
pub mod math;
pub mod path;
pub mod quantity;
pub mod regex;
pub mod semver;
pub mod strconv;
pub mod time;
pub mod url;
pub mod wildcard;

pub use duration::Duration;
pub use quantity::Quantity;
pub use time::Time;
