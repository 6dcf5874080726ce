//! The one thread that writes to the players' sockets, in a fixed order: no task switch per message,
//! and the tick never waits for a system call.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::link::Link;
use crate::cputime::thread_time;
use crate::metrics::Metrics;

/// Hands links to the sender thread and wakes it.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    thread: Thread,
}

/// The running thread; dropping it stops the thread.
#[derive(Debug)]
pub struct Senders {
    sender: Sender,
    handle: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Links that the thread has not seen yet.
    new: Mutex<Vec<Arc<Link>>>,
    /// Links that are not closed, new ones included.
    open: AtomicUsize,
    /// Nanoseconds that passes took.
    busy: AtomicU64,
    stop: AtomicBool,
    stuck_after: Duration,
    metrics: Arc<Metrics>,
}

impl Senders {
    /// Starts the thread. A client that takes nothing for `stuck_after` is cut off.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(stuck_after: Duration, metrics: Arc<Metrics>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            new: Mutex::default(),
            open: AtomicUsize::new(0),
            busy: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            stuck_after,
            metrics,
        });
        let own = shared.clone();
        let handle = thread::Builder::new()
            .name("send".into())
            .spawn(move || own.run())?;
        let sender = Sender {
            shared,
            thread: handle.thread().clone(),
        };
        Ok(Self {
            sender,
            handle: Some(handle),
        })
    }

    /// For those who have something to send.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.sender.shared.stop.store(true, Ordering::Release);
        self.sender.wake();
        if let Some(handle) = self.handle.take() {
            // A panic there has been reported by the panic hook.
            let _ = handle.join();
        }
    }
}

impl Sender {
    /// Takes on a link.
    pub fn add(&self, link: Arc<Link>) {
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        self.shared
            .new
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(link);
    }

    /// Something waits to be written.
    pub fn wake(&self) {
        self.thread.unpark();
    }

    /// How long the thread has been at work so far, waiting for the processor included.
    #[must_use]
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.shared.busy.load(Ordering::Relaxed))
    }

    /// Links that are not closed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn run(&self) {
        let mut links: Vec<Arc<Link>> = Vec::new();
        loop {
            // A wake that comes during a pass makes the next park return at once.
            thread::park();
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            let (began, idle) = (Instant::now(), thread_time());
            links.append(&mut self.new.lock().unwrap_or_else(PoisonError::into_inner));
            let mut bytes = 0;
            let before = links.len();
            links.retain(|link| {
                let flushed = link.flush(self.stuck_after);
                bytes += flushed.bytes;
                !flushed.closed
            });
            self.open.fetch_sub(before - links.len(), Ordering::Relaxed);
            self.metrics.bytes_sent.inc_by(bytes);
            let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.busy.fetch_add(took, Ordering::Relaxed);
            let computed = thread_time().saturating_sub(idle);
            self.metrics.send_cpu.inc_by(computed.as_secs_f64());
        }
    }
}
