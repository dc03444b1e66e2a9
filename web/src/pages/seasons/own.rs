//! Pictures of the user's own files.

use web_sys::{Blob, Url};

use super::state::Place;

/// An address of a file that browsers can show by themselves.
pub(super) fn picture(name: &str, file: &Blob) -> Option<String> {
    let lower = name.to_lowercase();
    let is_tiff = lower.ends_with(".tif") || lower.ends_with(".tiff");
    (!is_tiff).then(|| Url::create_object_url_with_blob(file).ok()).flatten()
}

/// Gives the addresses of a place's pictures back.
pub(super) fn forget(place: &Place) {
    for picture in place.shots.iter().filter_map(|shot| shot.picture.as_ref()) {
        // Revoking an address that is gone already is harmless.
        let _ = Url::revoke_object_url(picture);
    }
}
