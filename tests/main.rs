//! One test binary; one file a promise.

mod cli_demo;
mod cli_folders;
mod cli_repeat;
mod cli_support;
mod cli_usage;
mod fits_corpus;
mod fits_mutants;
mod fits_pixels;
mod fits_support;
mod fits_writing;
mod house_arrows;
mod lens_blind_fit;
mod plots_image_view;
mod plots_pictures;
mod workers_jobs;
mod workers_queries;
