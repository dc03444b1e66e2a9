//! What the user made and would be sorry to lose, in this browser's own database: one text for each key.
//!
//! Where there is no database, or no room, nothing is stored, and nothing else changes.

use futures_channel::oneshot;
use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use web_sys::{IdbDatabase, IdbObjectStore, IdbOpenDbRequest, IdbRequest, IdbTransactionMode};

const DATABASE: &str = "solstice";
const STORE: &str = "own";

/// The text under a key.
pub async fn read(key: &str) -> Option<String> {
    let store = store(IdbTransactionMode::Readonly).await?;
    outcome(&store.get(&key.into()).ok()?).await?.as_string()
}

/// Keeps a text under a key, in place of the one before; false when there is no room.
pub async fn write(key: &str, text: &str) -> bool {
    let Some(store) = store(IdbTransactionMode::Readwrite).await else { return false };
    let Ok(asked) = store.put_with_key(&text.into(), &key.into()) else { return false };
    outcome(&asked).await.is_some()
}

/// Forgets a key.
pub async fn remove(key: &str) {
    if let Some(store) = store(IdbTransactionMode::Readwrite).await
        && let Ok(asked) = store.delete(&key.into())
    {
        // What is gone already need not be deleted.
        outcome(&asked).await;
    }
}

async fn store(mode: IdbTransactionMode) -> Option<IdbObjectStore> {
    let database = open().await?;
    let transaction = database.transaction_with_str_and_mode(STORE, mode).ok()?;
    // Closed as soon as the transaction is through.
    let store = transaction.object_store(STORE).ok()?;
    database.close();
    Some(store)
}

async fn open() -> Option<IdbDatabase> {
    let asked: IdbOpenDbRequest = window().indexed_db().ok()??.open_with_u32(DATABASE, 1).ok()?;
    let request = asked.clone();
    let upgrade = Closure::once_into_js(move || {
        let database = request.result().ok().and_then(|found| found.dyn_into::<IdbDatabase>().ok());
        // The first version: there is no such store yet.
        let _ = database.map(|database| database.create_object_store(STORE));
    });
    asked.set_onupgradeneeded(Some(upgrade.unchecked_ref()));
    outcome(&asked).await?.dyn_into().ok()
}

/// What a request comes to; `None` when it fails.
async fn outcome(request: &IdbRequest) -> Option<JsValue> {
    let (sender, answer) = oneshot::channel();
    let sender = std::rc::Rc::new(std::cell::Cell::new(Some(sender)));
    let tell = |is_success: bool| {
        let sender = std::rc::Rc::clone(&sender);
        Closure::<dyn FnMut()>::new(move || {
            if let Some(sender) = sender.take() {
                // Nobody waits any more.
                let _ = sender.send(is_success);
            }
        })
    };
    let (succeeded, failed) = (tell(true), tell(false));
    request.set_onsuccess(Some(succeeded.as_ref().unchecked_ref()));
    request.set_onerror(Some(failed.as_ref().unchecked_ref()));
    let is_success = answer.await.unwrap_or(false);
    request.set_onsuccess(None);
    request.set_onerror(None);
    is_success.then(|| request.result().ok()).flatten()
}
