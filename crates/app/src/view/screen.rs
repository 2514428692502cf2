//! The terminal: a frame drawn in place, below what was there before, and keys.
//!
//! Drawing moves the cursor up over the last frame and writes over it, so that the end of the run
//! leaves the last frame standing. Whatever ends the run, the terminal is given back as it was.

use super::text::Line;
use crossterm::event::{self, Event};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{cursor, queue};
use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the keyboard's thread looks whether it should end.
const KEY_POLL: Duration = Duration::from_millis(100);
/// Keys that wait to be read; more are a cat on the keyboard.
const KEYS_MAX: usize = 64;

/// Whether both ends of a live view are a terminal.
pub(crate) fn is_interactive() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Columns and lines of the terminal, less the last of each: a full line would wrap, and a full
/// screen would scroll. A terminal that does not tell is taken for 80 by 24.
pub(crate) fn room() -> (usize, usize) {
    let (columns, lines) = size().unwrap_or((80, 24));
    (
        usize::from(columns).saturating_sub(1),
        usize::from(lines).saturating_sub(1),
    )
}

/// The terminal while a live view has it.
pub(crate) struct Screen {
    out: Stdout,
    drawn: usize,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn open() -> io::Result<Screen> {
        enable_raw_mode()?;
        let mut screen = Screen {
            out: io::stdout(),
            drawn: 0,
        };
        queue!(screen.out, cursor::Hide)?;
        screen.out.flush()?;
        Ok(screen)
    }

    /// Draws a frame over the last one. Lines wider or more than the [`room`] break the picture.
    pub(crate) fn draw(&mut self, lines: &[Line], colour: bool) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate, cursor::MoveToColumn(0))?;
        if self.drawn > 1 {
            let up = u16::try_from(self.drawn - 1).unwrap_or(u16::MAX);
            queue!(self.out, cursor::MoveUp(up))?;
        }
        for (at, line) in lines.iter().enumerate() {
            let text = if colour { line.ansi() } else { line.plain() };
            let end = if at + 1 < lines.len() { "\r\n" } else { "" };
            write!(self.out, "{text}")?;
            queue!(self.out, Clear(ClearType::UntilNewLine))?;
            write!(self.out, "{end}")?;
        }
        queue!(
            self.out,
            Clear(ClearType::FromCursorDown),
            EndSynchronizedUpdate
        )?;
        self.out.flush()?;
        self.drawn = lines.len();
        Ok(())
    }

    /// After a change of size the old frame's lines are somewhere else: begin on an empty screen.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        queue!(self.out, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        self.drawn = 0;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let given_back = queue!(self.out, cursor::Show)
            .and_then(|()| write!(self.out, "\r\n"))
            .and_then(|()| self.out.flush())
            .and_then(|()| disable_raw_mode());
        if let Err(error) = given_back {
            tracing::warn!(%error, "the terminal could not be given back; `reset` helps");
        }
    }
}

/// The keyboard, read by a thread of its own until this is dropped.
pub(crate) struct Keys {
    events: mpsc::Receiver<Event>,
    over: Arc<AtomicBool>,
}

impl Keys {
    pub(crate) fn read() -> Keys {
        let (sender, events) = mpsc::channel(KEYS_MAX);
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let read = match event::poll(KEY_POLL) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                match read {
                    Ok(event) if sender.blocking_send(event).is_ok() => {}
                    Ok(_) => return,
                    Err(error) => {
                        tracing::debug!(%error, "the keyboard is gone");
                        return;
                    }
                }
            }
        });
        Keys { events, over }
    }

    /// The next event; `None` when the keyboard is gone.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
