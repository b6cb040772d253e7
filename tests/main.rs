<<<<<<< HEAD
//! One binary for all tests: one file a promise.

mod house_arrows;
=======
//! One test binary; one file a promise.
mod cli_folders;
mod cli_repeat;
mod cli_support;
mod cli_usage;
mod workers_jobs;
mod workers_queries;
>>>>>>> runs
