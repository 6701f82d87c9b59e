//! Memory budget for request bodies that are arriving or waiting for a permit. Bytes are counted chunk by chunk, so a
//! large `Content-Length` alone takes nothing from other requests.

use std::collections::HashMap;

use super::load_shed::{Client, overloaded};
use crate::http::error::Error;
use parking_lot::Mutex;

/// Limit for all bodies together, bytes.
const ALL: usize = 64 * 1024 * 1024;
/// Limit for the bodies of one app or one address, bytes.
const EACH: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub struct BodyBudget(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    all: usize,
    clients: HashMap<Client, usize>,
}

/// The bytes that one body holds. Dropping it releases them.
pub struct BodyBytes<'a> {
    budget: &'a BodyBudget,
    client: Client,
    taken: usize,
}

impl BodyBudget {
    /// Starts counting a body of this client, at 0 bytes.
    #[must_use]
    pub fn body(&self, client: Client) -> BodyBytes<'_> {
        BodyBytes { budget: self, client, taken: 0 }
    }
}

impl BodyBytes<'_> {
    /// Counts `bytes` more. Fails with [`Error::Overloaded`] if that exceeds a limit.
    pub fn take(&mut self, bytes: usize) -> Result<(), Error> {
        let mut taken = self.budget.0.lock();
        let own = taken.clients.get(&self.client).copied().unwrap_or_default();
        if taken.all + bytes > ALL || own + bytes > EACH {
            return Err(overloaded());
        }
        taken.all += bytes;
        taken.clients.insert(self.client, own + bytes);
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for BodyBytes<'_> {
    fn drop(&mut self) {
        let mut taken = self.budget.0.lock();
        taken.all -= self.taken;
        if let Some(own) = taken.clients.get_mut(&self.client) {
            *own -= self.taken;
            if *own == 0 {
                taken.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::AppId;

    #[test]
    fn body_bytes_per_app_and_in_total_are_bounded() {
        let budget = BodyBudget::default();
        let body = |app| budget.body(Client::App(AppId(Uuid::from_u128(app))));
        let refused = |done: Result<(), Error>| matches!(done, Err(Error::Overloaded));
        let (mut first, mut second) = (body(1), body(1));
        first.take(EACH - 1).unwrap();
        second.take(1).unwrap();
        assert!(refused(second.take(1)) && refused(first.take(1)));
        let mut others: Vec<_> = (2..=4).map(body).collect();
        for other in &mut others {
            other.take(EACH).unwrap();
        }
        let mut late = body(5);
        assert!(refused(late.take(1)), "all is taken");
        drop(first);
        late.take(EACH - 1).unwrap();
        second.take(0).unwrap();
        drop((second, others, late));
        assert!(budget.0.lock().clients.is_empty() && budget.0.lock().all == 0);
    }
}
