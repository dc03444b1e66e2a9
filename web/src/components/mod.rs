//! The page's parts, one file each.

pub mod address_field;
pub mod batch_rows;
pub mod batch_table;
pub mod class_bars;
pub mod device_menu;
pub mod drop_zone;
pub mod file_button;
pub mod footer;
pub mod header;
pub mod incoming;
pub mod kept_files;
pub mod model_card;
pub mod neighbours;
pub mod own_bars;
pub mod problem_card;
pub mod reading_panel;
pub mod result;
pub mod samples;
pub mod scene_samples;
pub mod stacking;
pub mod status;
pub mod theme_toggle;
pub mod update_notice;
