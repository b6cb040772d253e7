//! One binary for all tests: one file a promise.

mod house_arrows;
