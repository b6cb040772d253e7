//! One test binary; each file is a promise.

mod fits_corpus;
mod fits_mutants;
mod fits_pixels;
mod fits_support;
mod fits_writing;
