//! Drawing: the image view, colour maps, stretches and limits, colour bars, line plots, histograms, and the CPU painter.
//!
//! Nothing here knows studies, files or threads of work: arrays go in, pictures and pointer positions come out.
//! Coordinates of images are 0-based pixels with the centre of the first pixel at `[0, 0]`, `x` along a row and `y` up;
//! the one conversion to the 1-based numbers shown to users is [`axes::fits_from_pixel`].

pub mod axes;
pub mod color_bar;
pub mod color_map;
mod color_map_anchors;
mod color_map_data;
mod color_map_tables;
pub mod color_table;
pub mod colors;
pub mod corner;
pub mod fonts;
pub mod headless;
pub mod histogram;
pub mod image_camera;
pub mod image_frame;
pub mod image_overlay;
pub mod image_pyramid;
pub mod image_tiles;
pub mod image_view;
pub mod limits;
pub mod limits_histogram;
pub mod line_marks;
pub mod line_plot;
mod line_plot_hold;
pub mod picture;
pub mod scatter_plot;
pub mod sky_grid;
pub mod soft;
mod soft_raster;
pub mod stretch;
pub mod svg;
mod zscale;
