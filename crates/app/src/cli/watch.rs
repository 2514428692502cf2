//! `watch`: services live in a terminal, with keys; a line per change elsewhere.
//!
//! What a key means is decided by [`Watch`], which is pure; the loops around it read events and keys
//! and draw. A restart of Sluice is waited out.

use super::args::{Global, OneOrAll};
use super::failure::{Exit, Failure};
use super::locate;
use super::output::Output;
use super::wait::{ABSENCE_MAX, RETRY};
use crate::view::frame::{Layout, frame};
use crate::view::lines::News;
use crate::view::screen::{self, Keys, Screen};
use crate::view::text::{Line, Tone};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sluice_model::command::CommandKind;
use sluice_model::ids::ServiceName;
use sluice_model::view::{Phase, ServiceView};
use sluice_server::wire::WatchEvent;
use sluice_server::{Client, ClientError, Events};
use std::collections::{BTreeMap, BTreeSet};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

/// Longest reason that can be typed, in characters.
const REASON_MAX: usize = 200;

pub(crate) async fn watch(
    global: &Global,
    args: OneOrAll,
    output: Output,
) -> Result<Exit, Failure> {
    let client = locate::client(global)?;
    let mut feed = Feed::open(client.clone(), args.service).await?;
    if output.is_json() || !screen::is_interactive() {
        return print_changes(&mut feed, output).await;
    }
    live(&client, &mut feed, output).await
}

/// The events of a Sluice, over its restarts.
struct Feed {
    client: Client,
    only: Option<ServiceName>,
    events: Option<Events<WatchEvent>>,
    away_since: Option<Instant>,
}

/// What a feed brings.
enum Told {
    Event(WatchEvent),
    /// Sluice is away; why.
    Away(String),
}

impl Feed {
    /// The first connection has to succeed.
    async fn open(client: Client, only: Option<ServiceName>) -> Result<Feed, Failure> {
        let events = Some(client.watch(only.as_ref()).await?);
        Ok(Feed {
            client,
            only,
            events,
            away_since: None,
        })
    }

    /// The next event. May be dropped and called again without a loss.
    async fn next(&mut self) -> Result<Told, Failure> {
        let error = match &mut self.events {
            Some(events) => match events.next().await {
                Ok(Some(event)) => {
                    self.away_since = None;
                    return Ok(Told::Event(event));
                }
                Ok(None) => ClientError::Lost {
                    cause: "it ended".to_owned(),
                },
                Err(error) => error,
            },
            None => {
                sleep(RETRY).await;
                match self.client.watch(self.only.as_ref()).await {
                    Ok(events) => {
                        self.events = Some(events);
                        return Box::pin(self.next()).await;
                    }
                    Err(error) => error,
                }
            }
        };
        self.events = None;
        let may_return = error.is_absence() || matches!(error, ClientError::TimedOut { .. });
        let since = *self.away_since.get_or_insert_with(Instant::now);
        if !may_return || since.elapsed() > ABSENCE_MAX {
            return Err(error.into());
        }
        Ok(Told::Away(error.to_string()))
    }
}

/// A line per change, for pipes and logs; every event as JSON if asked.
async fn print_changes(feed: &mut Feed, output: Output) -> Result<Exit, Failure> {
    let mut news = News::default();
    loop {
        match feed.next().await? {
            Told::Event(WatchEvent::View(view)) if output.is_json() => output.json_line(&*view)?,
            Told::Event(WatchEvent::View(view)) => {
                if let Some(line) = news.tell(&view) {
                    output.text(line)?;
                }
            }
            Told::Event(WatchEvent::Gone(name)) if !output.is_json() => {
                output.text(format!("{name} was taken out of the document"))?;
            }
            Told::Event(_) | Told::Away(_) => {}
        }
    }
}

async fn live(client: &Client, feed: &mut Feed, output: Output) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            "terminal",
            format!("the terminal cannot be used: {error}"),
        )
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut screen = Screen::open().map_err(failed)?;
    let mut keys = Keys::read();
    let mut watch = Watch::default();
    loop {
        let (width, height) = screen::room();
        if watch.synced {
            let lines = watch.lines(width, height);
            screen.draw(&lines, output.colour).map_err(failed)?;
        }
        tokio::select! {
            news = feed.next() => match news? {
                Told::Event(event) => watch.see(event),
                Told::Away(why) => watch.notice = Some(format!("{why}; trying again")),
            },
            event = keys.next() => match event {
                None => return Ok(Exit::Done),
                Some(Event::Resize(..)) => screen.restart().map_err(failed)?,
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match watch.key(key) {
                    Action::None => {}
                    Action::Quit => return Ok(Exit::Done),
                    Action::Command(service, kind) => {
                        // What it did, the view shows.
                        let answer = client.command(&service, &kind).await;
                        watch.notice = answer.err().map(|error| error.to_string());
                    }
                },
                Some(_) => {}
            },
            _ = terminate.recv() => return Ok(Exit::Done),
        }
    }
}

/// What a key asks for.
#[derive(Debug, PartialEq)]
enum Action {
    None,
    Quit,
    Command(ServiceName, CommandKind),
}

/// What is shown, and what is being typed.
#[derive(Debug, Default)]
struct Watch {
    views: BTreeMap<ServiceName, ServiceView>,
    /// Whether all services were shown once; before that there is nothing to draw.
    synced: bool,
    /// Shown since the connection; the rest is of an earlier one and may be no more.
    fresh: BTreeSet<ServiceName>,
    selected: usize,
    /// The reason for an abort, while it is typed, and of which service.
    reason: Option<(ServiceName, String)>,
    /// What came of the last command, or what is wrong.
    notice: Option<String>,
}

impl Watch {
    fn see(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::View(view) => {
                self.fresh.insert(view.service.clone());
                self.views.insert(view.service.clone(), *view);
            }
            WatchEvent::Gone(name) => {
                self.views.remove(&name);
            }
            WatchEvent::Synced => {
                // A new connection has shown all there is.
                let fresh = std::mem::take(&mut self.fresh);
                self.views.retain(|name, _| fresh.contains(name));
                self.notice = None;
                self.synced = true;
            }
        }
        self.selected = self.selected.min(self.views.len().saturating_sub(1));
    }

    fn selected(&self) -> Option<&ServiceView> {
        self.views.values().nth(self.selected)
    }

    fn key(&mut self, key: KeyEvent) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Action::Quit,
                _ => Action::None,
            };
        }
        self.notice = None;
        if let Some(asked) = self.reason.take() {
            return self.type_reason(asked, key.code);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Action::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(self.views.len().saturating_sub(1));
            }
            KeyCode::Char(letter) => return self.command_key(letter),
            _ => {}
        }
        Action::None
    }

    fn command_key(&mut self, letter: char) -> Action {
        let Some(view) = self.selected() else {
            return Action::None;
        };
        let name = view.service.clone();
        match letter {
            'p' => Action::Command(name, CommandKind::Promote { full: false }),
            'P' if view.phase == Phase::Paused => Action::Command(name, CommandKind::Resume),
            'P' => Action::Command(name, CommandKind::Pause { reason: None }),
            'a' => {
                self.reason = Some((name, String::new()));
                Action::None
            }
            _ => Action::None,
        }
    }

    fn type_reason(&mut self, (name, mut reason): (ServiceName, String), code: KeyCode) -> Action {
        match code {
            KeyCode::Esc => return Action::None,
            KeyCode::Enter if !reason.trim().is_empty() => {
                let reason = reason.trim().to_owned();
                return Action::Command(name, CommandKind::Abort { reason });
            }
            KeyCode::Char(letter) if reason.chars().count() < REASON_MAX => reason.push(letter),
            KeyCode::Backspace => drop(reason.pop()),
            _ => {}
        }
        self.reason = Some((name, reason));
        Action::None
    }

    /// The frame, with what is being typed or can be pressed below.
    fn lines(&self, width: usize, height: usize) -> Vec<Line> {
        let mut below = Vec::new();
        if let Some(notice) = &self.notice {
            below.push(Line::new().with(Tone::Warn, notice));
        }
        below.push(match &self.reason {
            Some((name, reason)) => Line::new()
                .with(Tone::Bad, format!("abort {name}, because: "))
                .with(Tone::Strong, reason)
                .with(Tone::Plain, "▏")
                .with(Tone::Quiet, "  enter aborts, esc does not"),
            None => Line::new().with(
                Tone::Quiet,
                "q quit · p promote · P pause or resume · a abort · ↑↓ choose",
            ),
        });
        let views: Vec<ServiceView> = self.views.values().cloned().collect();
        let height_left = height.saturating_sub(below.len() + 1);
        let layout = Layout {
            width,
            height: height_left,
            selected: Some(self.selected),
        };
        let mut lines = frame(&views, layout);
        lines.truncate(height_left);
        lines.push(Line::new());
        lines.extend(below.into_iter().map(|line| line.fit(width)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::samples;
    use crate::view::text::plain_lines;

    fn watching() -> Watch {
        let mut watch = Watch::default();
        for view in [samples::healthy("ads"), samples::progressing("checkout")] {
            watch.see(WatchEvent::View(Box::new(view)));
        }
        watch.see(WatchEvent::Synced);
        watch
    }

    fn press(watch: &mut Watch, keys: &[KeyCode]) -> Action {
        let mut last = Action::None;
        for code in keys {
            last = watch.key(KeyEvent::new(*code, KeyModifiers::NONE));
        }
        last
    }

    fn checkout() -> ServiceName {
        ServiceName::new("checkout").expect("a name")
    }

    #[test]
    fn keys_act_on_the_chosen_service() {
        let mut watch = watching();
        let action = press(&mut watch, &[KeyCode::Down, KeyCode::Char('p')]);
        assert_eq!(
            action,
            Action::Command(checkout(), CommandKind::Promote { full: false })
        );
        let action = press(&mut watch, &[KeyCode::Down, KeyCode::Char('P')]);
        assert_eq!(
            action,
            Action::Command(checkout(), CommandKind::Pause { reason: None })
        );

        let mut paused = samples::progressing("checkout");
        paused.phase = Phase::Paused;
        watch.see(WatchEvent::View(Box::new(paused)));
        let action = press(&mut watch, &[KeyCode::Char('P')]);
        assert_eq!(action, Action::Command(checkout(), CommandKind::Resume));
        assert_eq!(press(&mut watch, &[KeyCode::Char('q')]), Action::Quit);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(watch.key(interrupt), Action::Quit);
    }

    #[test]
    fn an_abort_asks_for_its_reason_and_can_be_thought_over() {
        let mut watch = watching();
        // `q` and `p` are letters of the reason now.
        let keys = "a".chars().chain("qx p".chars()).map(KeyCode::Char);
        let typed: Vec<KeyCode> = [KeyCode::Down].into_iter().chain(keys).collect();
        assert_eq!(press(&mut watch, &typed), Action::None);
        assert_eq!(
            press(&mut watch, &[KeyCode::Backspace, KeyCode::Backspace]),
            Action::None
        );
        let reason = "qx".to_owned();
        let action = press(&mut watch, &[KeyCode::Enter]);
        assert_eq!(
            action,
            Action::Command(checkout(), CommandKind::Abort { reason })
        );

        let action = press(
            &mut watch,
            &[KeyCode::Char('a'), KeyCode::Char(' '), KeyCode::Enter],
        );
        assert_eq!(action, Action::None, "a reason is needed");
        let action = press(
            &mut watch,
            &[KeyCode::Char('x'), KeyCode::Esc, KeyCode::Enter],
        );
        assert_eq!(
            action,
            Action::None,
            "escape leaves the prompt without an abort"
        );
        assert_eq!(press(&mut watch, &[KeyCode::Char('q')]), Action::Quit);
    }

    #[test]
    fn without_services_keys_do_nothing() {
        let mut watch = Watch::default();
        let keys = ['p', 'P', 'a', 'x'].map(KeyCode::Char);
        assert_eq!(press(&mut watch, &keys), Action::None);
        assert_eq!(
            press(&mut watch, &[KeyCode::Down, KeyCode::Up]),
            Action::None
        );
    }

    #[test]
    fn after_a_restart_of_sluice_services_that_are_no_more_go() {
        let mut watch = watching();
        press(&mut watch, &[KeyCode::Down]);
        watch.notice = Some("the connection broke".into());
        watch.see(WatchEvent::View(Box::new(samples::healthy("ads"))));
        watch.see(WatchEvent::Synced);
        assert_eq!(watch.views.len(), 1);
        assert_eq!(watch.notice, None);
        assert_eq!(watch.selected().expect("one").service.as_str(), "ads");
    }

    #[test]
    fn the_live_view_fits_its_room() {
        let mut watch = watching();
        press(
            &mut watch,
            &[KeyCode::Down, KeyCode::Char('a'), KeyCode::Char('x')],
        );
        watch.notice = Some("a command was refused".into());
        for height in 3..30 {
            let lines = watch.lines(60, height);
            assert!(lines.len() <= height, "{} lines in {height}", lines.len());
            assert!(lines.iter().all(|line| line.width() <= 60));
        }
        insta::assert_snapshot!(plain_lines(&watch.lines(90, 40)).join("\n"));
    }
}
