//! One test binary; one file a promise.

mod cli_folders;
mod cli_repeat;
mod cli_support;
mod cli_usage;
mod house_arrows;
mod workers_jobs;
mod workers_queries;
