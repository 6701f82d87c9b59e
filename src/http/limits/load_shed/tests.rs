use std::net::IpAddr;

use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use super::*;

fn app(number: u128) -> Client {
    Client::App(AppId(Uuid::from_u128(number)))
}

const A: u128 = 1;

/// Sends `arriving` requests at once and counts those that are refused. The rest wait, and are cancelled together.
fn refused(gate: &ConcurrencyLimit, arriving: usize) -> usize {
    let mut waits: Vec<_> = (0..arriving).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
    waits.iter_mut().filter_map(FutureExt::now_or_never).filter(Result::is_err).count()
}

#[tokio::test]
async fn burst_beyond_the_queue_limit_is_refused_immediately() {
    let mut gate = ConcurrencyLimit::new(2);
    let slots = [gate.enter(app(A), 1).await.unwrap(), gate.enter(app(A), 1).await.unwrap()];
    assert_eq!(refused(&gate, MAX_QUEUED + 10), 10);
    assert_eq!(gate.usage(), (2, 0), "who gave up has left");
    // Ten milliseconds between two admissions.
    gate.between.store(10_000_000, Relaxed);
    assert_eq!(refused(&gate, 61), 10, "51 wait half a second at most");
    // The queue has been long for more than `QUEUE_TIMEOUT`.
    gate.begun = Instant::now().checked_sub(2 * QUEUE_TIMEOUT).unwrap();
    gate.let_in.store(gate.nanoseconds(), Relaxed);
    gate.between.store(2_000_000, Relaxed);
    gate.long_since.store(1, Relaxed);
    assert_eq!(refused(&gate, 61), 10, "51 wait a tenth of a second at most");
    // The last admission was long ago.
    gate.let_in.store(0, Relaxed);
    assert_eq!(refused(&gate, MIN_QUEUED + 10), 10);
    // A request that finds a free permit resets the clock of the long queue.
    drop(slots);
    drop(gate.enter(app(A), 1).await.unwrap());
    let _slots = [gate.enter(app(A), 1).await.unwrap(), gate.enter(app(A), 1).await.unwrap()];
    assert_eq!(refused(&gate, 61), 0);
}

/// The order in which `arriving` requests are admitted, one at a time. All of them arrive while another request holds
/// the only permit.
async fn order(gate: &ConcurrencyLimit, arriving: &[(Client, usize)]) -> Vec<usize> {
    let busy = gate.enter(app(99), 1).await.unwrap();
    let order = Mutex::new(Vec::new());
    let waits = arriving.iter().enumerate().map(async |(number, (client, slots))| {
        let _slot = gate.enter(*client, *slots).await.unwrap();
        order.lock().push(number);
    });
    tokio::join!(join_all(waits), async { drop(busy) });
    order.into_inner()
}

#[tokio::test]
async fn requests_of_one_app_are_admitted_in_arrival_order() {
    assert_eq!(order(&ConcurrencyLimit::new(1), &[(app(A), 1); 5]).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn queued_apps_and_addresses_are_admitted_round_robin() {
    let address = Client::Address(Source::from("192.0.2.1".parse::<IpAddr>().unwrap()));
    let arriving =
        [(app(A), 1), (app(A), 1), (app(A), 1), (app(2), 1), (app(2), 1), (address, 1), (app(A), 1)];
    assert_eq!(order(&ConcurrencyLimit::new(1), &arriving).await, [0, 3, 5, 1, 4, 2, 6]);
}

#[tokio::test]
async fn lone_app_gets_all_permits_and_half_while_another_waits() {
    let gate = ConcurrencyLimit::new(8);
    let mut slots = Vec::new();
    for _ in 0..8 {
        slots.push(gate.enter(app(A), 1).await.unwrap());
    }
    let mut more: Vec<_> = (0..4).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
    assert!(more.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
    let mut other = Box::pin(gate.enter(app(2), 1));
    assert!(other.as_mut().now_or_never().is_none());
    // The first free permit goes to the other app, although it came last. Then the first app waits alone.
    slots.pop();
    assert!(more.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
    let other = other.now_or_never().unwrap().unwrap();
    slots.pop();
    let again = more.remove(0).now_or_never().unwrap().unwrap();
    assert_eq!(gate.usage(), (8, 3));
    drop((other, again, more, slots));
    assert_eq!(gate.usage(), (0, 0));
    assert!(gate.queues.lock().clients.is_empty(), "nothing is remembered of who has left");
}

#[tokio::test]
async fn bulk_call_takes_permits_by_size_without_starving_others() {
    let gate = ConcurrencyLimit::new(8);
    // A request for more than half of the permits gets half.
    let bulk = gate.enter(app(A), 100).await.unwrap();
    assert_eq!(gate.usage(), (4, 0));
    let small = [gate.enter(app(2), 1).await.unwrap(), gate.enter(app(2), 1).await.unwrap()];
    let mut second = Box::pin(gate.enter(app(A), 4));
    assert!(second.as_mut().now_or_never().is_none(), "two are free");
    // App A already holds half of the permits, so its queued request does not block others.
    let third = gate.enter(app(3), 1).now_or_never().unwrap().unwrap();
    drop(bulk);
    let second = second.now_or_never().unwrap().unwrap();
    // The bulk call of another app is next. Requests behind it wait until it fits.
    let mut fourth = Box::pin(gate.enter(app(4), 4));
    assert!(fourth.as_mut().now_or_never().is_none());
    let mut fifth = Box::pin(gate.enter(app(5), 1));
    assert!(fifth.as_mut().now_or_never().is_none());
    drop(small);
    assert!(fifth.as_mut().now_or_never().is_none());
    drop(second);
    let fourth = fourth.now_or_never().unwrap().unwrap();
    let fifth = fifth.now_or_never().unwrap().unwrap();
    drop((third, fourth, fifth));
    assert_eq!(gate.usage(), (0, 0));
}

#[tokio::test]
async fn full_queue_refuses_the_client_with_the_most_queued() {
    let gate = ConcurrencyLimit::new(1);
    let slot = gate.enter(app(A), 1).await.unwrap();
    let mut flood: Vec<_> = (0..MAX_QUEUED).map(|_| Box::pin(gate.enter(app(A), 1))).collect();
    assert!(flood.iter_mut().all(|wait| wait.as_mut().now_or_never().is_none()));
    let mut other = Box::pin(gate.enter(app(2), 1));
    assert!(other.as_mut().now_or_never().is_none());
    let answers = flood.iter_mut().map(|wait| wait.as_mut().now_or_never());
    let refused: Vec<usize> = answers
        .enumerate()
        .filter_map(|(at, answer)| matches!(answer, Some(Err(Error::Overloaded))).then_some(at))
        .collect();
    assert_eq!(refused, [MAX_QUEUED - 1], "the newest of the flood");
    let own = gate.enter(app(A), 1).now_or_never();
    assert!(matches!(own, Some(Err(Error::Overloaded))), "and each that it sends on");
    // One of the flood is let in, and then the other app's.
    drop(slot);
    assert!(other.as_mut().now_or_never().is_none());
    drop(flood.remove(0));
    assert!(matches!(other.now_or_never(), Some(Ok(_))));
}
