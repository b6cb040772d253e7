//! The one test binary: its modules are the promises, one file each.

mod lens_blind_fit;
