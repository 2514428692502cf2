//! Deadlines that cost nothing on the way: one coarse timer for each connection.
//!
//! Arming a runtime timer for each of several waits in a request would cost more than reading its
//! head. Here a deadline is a number; one timer per connection fires at most every [`TICK_MAX`], looks
//! at the number, and is set again. A deadline is therefore exact, but arming it is (nearly) free.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The longest time that the timer sleeps; connections also look at their draining state then.
pub(crate) const TICK_MAX: Duration = Duration::from_secs(1);

/// A wait took longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The timer of one task.
#[derive(Default)]
pub(crate) struct Timer {
    sleep: RefCell<Option<Pin<Box<Sleep>>>>,
}

/// What a look at the timer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// The deadline is over.
    Elapsed,
    /// It is not, but the timer fired: a chance to look at slow changes.
    Fired,
}

impl Timer {
    /// Waits for `future`, at most for `span` from its first poll that was not ready.
    ///
    /// # Errors
    /// [`Elapsed`] when the time is over.
    pub(crate) async fn within<F: Future>(
        &self,
        span: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + span);
            loop {
                match self.poll_tick(deadline, cx) {
                    Poll::Ready(Tick::Elapsed) => return Poll::Ready(Err(Elapsed)),
                    Poll::Ready(Tick::Fired) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Looks at a deadline. After [`Tick::Fired`] it has to be asked again, or the task will not be
    /// woken.
    pub(crate) fn poll_tick(&self, deadline: Instant, cx: &mut Context<'_>) -> Poll<Tick> {
        let mut sleep = self.sleep.borrow_mut();
        let sleep = match &mut *sleep {
            Some(sleep) if sleep.deadline() <= deadline => sleep,
            Some(sleep) => {
                sleep.as_mut().reset(deadline);
                sleep
            }
            none => none.insert(Box::pin(sleep_until(
                deadline.min(Instant::now() + TICK_MAX),
            ))),
        };
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if now >= deadline {
            sleep.as_mut().reset(now + TICK_MAX);
            return Poll::Ready(Tick::Elapsed);
        }
        sleep.as_mut().reset(deadline.min(now + TICK_MAX));
        Poll::Ready(Tick::Fired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadlines_before_and_beyond_the_tick_are_kept_by_one_timer() {
        let timer = Timer::default();
        for span_ms in [10, 90_000, 300, 1_000, 5] {
            let span = Duration::from_millis(span_ms);
            let start = Instant::now();
            assert_eq!(
                timer.within(span, std::future::pending::<()>()).await,
                Err(Elapsed)
            );
            let late = start.elapsed().saturating_sub(span);
            assert!(
                start.elapsed() >= span && late < Duration::from_millis(5),
                "{span_ms}: {late:?}"
            );
            assert_eq!(timer.within(span, async { 7 }).await, Ok(7));
        }
    }
}
