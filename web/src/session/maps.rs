//! Questions about galleries: what a map shows, nearest tiles, and what neighbours vote for.

use std::rc::{Rc, Weak};

use js_sys::Uint8Array;

use super::{Session, copied};
use crate::engine::handle::Handle;
use crate::engine::protocol::{FromWorker, Neighbour, Query, Shelf, ToWorker};
use crate::map::colour::Votes;
use crate::map::data::MapData;
use crate::problem::Problem;

/// A gallery from disk, and who has read it: another device's worker must be given it again.
pub(super) struct Opened {
    bytes: Uint8Array,
    reader: Weak<Handle>,
}

impl Session {
    /// The map of the model's gallery.
    ///
    /// # Errors
    /// When no device is ready, or there is no gallery.
    pub async fn shipped_map(self) -> Result<MapData, Problem> {
        map(&*self.map_handle()?, None).await
    }

    /// Reads a gallery file, keeps it for [`Shelf::Opened`], and returns its map.
    ///
    /// # Errors
    /// When no device is ready, or the file is no gallery.
    pub async fn open_map(self, bytes: Uint8Array) -> Result<MapData, Problem> {
        let handle = self.map_handle()?;
        let found = map(&handle, Some(&bytes)).await?;
        *self.parts().opened.borrow_mut() = Some(Opened { bytes, reader: Rc::downgrade(&handle) });
        Ok(found)
    }

    /// The `k` nearest tiles of a gallery.
    ///
    /// # Errors
    /// When no device is ready, or the gallery is gone.
    pub async fn nearest(self, shelf: Shelf, query: Query, k: usize) -> Result<Vec<Neighbour>, Problem> {
        let handle = self.reader_of(shelf).await?;
        let request = handle.next_request();
        match handle.ask(request, &ToWorker::Nearest { request, shelf, query, k }, &[]).await? {
            FromWorker::Nearest { neighbours, .. } => Ok(neighbours),
            _ => Err(Problem::wrong_answer()),
        }
    }

    /// Appends to `votes` what the neighbours of the rows from `start` to `end` vote for.
    ///
    /// # Errors
    /// When no device is ready, or the gallery is gone.
    pub async fn vote(
        self,
        shelf: Shelf,
        start: usize,
        end: usize,
        k: usize,
        votes: &mut Votes,
    ) -> Result<(), Problem> {
        let handle = self.reader_of(shelf).await?;
        let request = handle.next_request();
        let question = ToWorker::Votes { request, shelf, start, end, k };
        let (_, buffers) = handle.ask_for_bytes(request, &question, &[]).await?;
        let [labels, shares, nearest, similarities] = &buffers[..] else { return Err(Problem::wrong_answer()) };
        votes.extend([labels, shares, nearest, similarities]);
        Ok(())
    }

    /// The active worker, having read the gallery.
    async fn reader_of(self, shelf: Shelf) -> Result<Rc<Handle>, Problem> {
        let handle = self.map_handle()?;
        if shelf == Shelf::Opened {
            let unread = self.parts().opened.borrow().as_ref().and_then(|opened| {
                let is_read = opened.reader.upgrade().is_some_and(|reader| Rc::ptr_eq(&reader, &handle));
                (!is_read).then(|| opened.bytes.clone())
            });
            if let Some(bytes) = unread {
                self.open_map(bytes).await?;
            }
        }
        Ok(handle)
    }

    fn map_handle(self) -> Result<Rc<Handle>, Problem> {
        self.active_handle().ok_or_else(|| {
            Problem::new("No device is ready", "The worker that reads galleries has stopped.", "Reload the page.")
        })
    }
}

async fn map(handle: &Handle, bytes: Option<&Uint8Array>) -> Result<MapData, Problem> {
    let request = handle.next_request();
    let buffers: Vec<_> = bytes.into_iter().map(copied).collect();
    let (answer, parts) = handle.ask_for_bytes(request, &ToWorker::Map { request }, &buffers).await?;
    let FromWorker::Map { map, .. } = answer else { return Err(Problem::wrong_answer()) };
    MapData::new(*map, &parts).ok_or_else(Problem::wrong_answer)
}
