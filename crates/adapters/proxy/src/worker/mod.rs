//! A worker: one thread with a runtime of its own, that serves its connections from accept to the
//! last byte. Nothing on the way of a request is shared with another worker except immutable
//! snapshots; what must cross (wake-ups, connections placed elsewhere) goes through a [`Seat`].
//!
//! A worker is told nothing in particular: it is woken, and brings its listeners and views in line
//! with what is ([`Worker::reconcile`]), so that no message can be lost or come twice.

pub(crate) mod accept;
pub(crate) mod local;

use crate::config::ProxyConfig;
use crate::listen::ListenerState;
use crate::service::ServiceState;
use accept::Accepted;
use arc_swap::ArcSwap;
use local::ServiceLocal;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};

/// Connections that may wait to be taken over by another worker; beyond it they stay where they were accepted.
const INBOX_MAX: usize = 256;

/// How often a worker looks after idle connections to replicas.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What all workers and the handle share.
pub(crate) struct Shared {
    pub(crate) config: ProxyConfig,
    pub(crate) services: ArcSwap<Vec<Arc<ServiceState>>>,
    pub(crate) seats: Vec<Seat>,
    /// No new listeners.
    pub(crate) draining: AtomicBool,
    /// Workers end at once.
    pub(crate) stopping: AtomicBool,
    epoch: Instant,
}

impl Shared {
    pub(crate) fn new(config: ProxyConfig, workers: usize) -> (Shared, Vec<Inbox>) {
        let (seats, inboxes) = (0..workers)
            .map(|_| {
                let (sender, inbox) = mpsc::channel(INBOX_MAX);
                (
                    Seat {
                        inbox: sender,
                        wake: Notify::new(),
                        load: Load::default(),
                    },
                    inbox,
                )
            })
            .unzip();
        let shared = Shared {
            config,
            services: ArcSwap::default(),
            seats,
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            epoch: Instant::now(),
        };
        (shared, inboxes)
    }

    /// Milliseconds since the proxy started.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes every worker look at what is.
    pub(crate) fn wake(&self) {
        self.seats.iter().for_each(|seat| seat.wake.notify_one());
    }
}

/// How others reach a worker.
pub(crate) struct Seat {
    inbox: mpsc::Sender<Accepted>,
    wake: Notify,
    pub(crate) load: Load,
}

type Inbox = mpsc::Receiver<Accepted>;

/// What a worker has on its hands; written by it alone, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Load {
    connections: AtomicUsize,
    busy: AtomicUsize,
    requests: AtomicUsize,
}

impl Load {
    /// Connections from clients.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// Connections with at least one request.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(SeqCst)
    }

    /// Requests, tunnels and TCP connections.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

fn bump(count: &AtomicUsize, by: isize) {
    count.store(count.load(Relaxed).wrapping_add_signed(by), Relaxed);
}

/// One worker's own state.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    /// Copies of requests in flight.
    pub(crate) copies: Cell<usize>,
    random: RefCell<fastrand::Rng>,
    services: RefCell<Vec<Rc<ServiceLocal>>>,
    accepting: RefCell<Vec<Arc<ListenerState>>>,
}

impl Worker {
    /// One that serves nobody, to be measured.
    #[cfg(feature = "measure")]
    pub(crate) fn alone(shared: Arc<Shared>) -> Rc<Worker> {
        Rc::new(Worker {
            index: 0,
            shared,
            copies: Cell::new(0),
            random: RefCell::new(fastrand::Rng::with_seed(0)),
            services: RefCell::default(),
            accepting: RefCell::default(),
        })
    }

    /// A new random number.
    pub(crate) fn draw(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// A random index below `count`, which is not 0.
    pub(crate) fn pick(&self, count: usize) -> usize {
        self.random.borrow_mut().usize(..count)
    }

    pub(crate) fn load(&self) -> &Load {
        &self.shared.seats[self.index].load
    }

    /// This worker's view of a service.
    pub(crate) fn service(self: &Rc<Self>, state: &Arc<ServiceState>) -> Rc<ServiceLocal> {
        let mut services = self.services.borrow_mut();
        if let Some(known) = services
            .iter()
            .find(|known| Arc::ptr_eq(&known.state, state))
        {
            return Rc::clone(known);
        }
        let local = Rc::new(ServiceLocal::new(Arc::clone(state), self));
        services.push(Rc::clone(&local));
        local
    }

    /// Brings listeners and views in line with what is.
    fn reconcile(self: &Rc<Self>) {
        let present = self.shared.services.load_full();
        self.services
            .borrow_mut()
            .retain(|known| present.iter().any(|state| Arc::ptr_eq(state, &known.state)));
        self.accepting
            .borrow_mut()
            .retain(|listener| !listener.is_closing());
        for state in present.iter() {
            let service = self.service(state);
            service.refresh();
            for listener in state.listeners() {
                let mut accepting = self.accepting.borrow_mut();
                let known = accepting.iter().any(|known| Arc::ptr_eq(known, &listener));
                if known || listener.is_closing() {
                    continue;
                }
                match accept::start(self, &service, &listener) {
                    Ok(()) => accepting.push(listener),
                    Err(error) => {
                        tracing::error!(service = %state.name, %error, "cannot accept connections");
                    }
                }
            }
        }
    }

    fn keep_house(&self) {
        self.services
            .borrow()
            .iter()
            .for_each(|service| service.keep_house());
    }
}

/// The body of a worker's thread.
pub(crate) fn run(shared: Arc<Shared>, index: usize, inbox: Inbox) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build_local(LocalOptions::default())?;
    let seed = shared.config.seed;
    let random = seed.map_or_else(fastrand::Rng::new, |seed| {
        fastrand::Rng::with_seed(seed.wrapping_add(index as u64))
    });
    let worker = Rc::new(Worker {
        index,
        shared,
        copies: Cell::new(0),
        random: RefCell::new(random),
        services: RefCell::default(),
        accepting: RefCell::default(),
    });
    runtime.block_on(serve(worker, inbox));
    Ok(())
}

async fn serve(worker: Rc<Worker>, mut inbox: Inbox) {
    let mut house = tokio::time::interval(HOUSEKEEPING);
    house.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let shared = Arc::clone(&worker.shared);
    let seat = &shared.seats[worker.index];
    while !shared.stopping.load(SeqCst) {
        tokio::select! {
            () = seat.wake.notified() => worker.reconcile(),
            Some(accepted) = inbox.recv() => accept::take_over(&worker, accepted),
            _ = house.tick() => worker.keep_house(),
        }
    }
}

/// Counts a connection while it lives.
pub(crate) struct ConnectionGuard {
    worker: Rc<Worker>,
    listener: Arc<ListenerState>,
}

impl ConnectionGuard {
    pub(crate) fn new(worker: &Rc<Worker>, listener: &Arc<ListenerState>) -> ConnectionGuard {
        bump(&worker.load().connections, 1);
        listener.connections.fetch_add(1, Relaxed);
        ConnectionGuard {
            worker: Rc::clone(worker),
            listener: Arc::clone(listener),
        }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        bump(&self.worker.load().connections, -1);
        self.listener.connections.fetch_sub(1, Relaxed);
    }
}

/// Counts requests of one connection while they are served.
pub(crate) struct Activity {
    worker: Rc<Worker>,
    requests: Cell<usize>,
    moves: Cell<u64>,
}

impl Activity {
    pub(crate) fn new(worker: &Rc<Worker>) -> Activity {
        Activity {
            worker: Rc::clone(worker),
            requests: Cell::new(0),
            moves: Cell::new(0),
        }
    }

    /// Whether no request is served.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.get() == 0
    }

    /// A number that changes when something goes on.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.get()
    }

    /// A piece of a message went on its way.
    pub(crate) fn moved(&self) {
        self.moves.set(self.moves.get().wrapping_add(1));
    }

    pub(crate) fn begin(&self) {
        self.moved();
        let load = self.worker.load();
        if self.requests.replace(self.requests.get() + 1) == 0 {
            bump(&load.busy, 1);
        }
        bump(&load.requests, 1);
    }

    pub(crate) fn end(&self) {
        let load = self.worker.load();
        self.requests.set(self.requests.get().saturating_sub(1));
        if self.is_idle() {
            bump(&load.busy, -1);
        }
        bump(&load.requests, -1);
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        while !self.is_idle() {
            self.end();
        }
    }
}
