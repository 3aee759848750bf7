// SPDX-License-Identifier: MIT OR Apache-2.0
//! The live picture: registrars, pool elements, session, timeline. Without a terminal the timeline goes to standard error, a line each.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};
use ratatui::{DefaultTerminal, Frame};

use super::pu::{Counts, News};
use super::registrars::{self, Registrars};
use super::stage::Server;
use super::{Act, ActResult, Fault, clock};

/// What a person sees.
pub(crate) struct Picture {
    terminal: Option<DefaultTerminal>,
    began: u64,
    acts: Vec<(Act, Option<ActResult>)>,
    playing: Option<usize>,
    registrars: Vec<registrars::Shown>,
    servers: Vec<Shown>,
    answered: HashMap<u32, u64>,
    serving: Option<u32>,
    outstanding: u64,
    counts: Counts,
    rate: VecDeque<u64>,
    timeline: VecDeque<(u64, Color, String)>,
}

struct Shown {
    id: u32,
    weight: u32,
    pid: u32,
    state: &'static str,
    /// The number of its home registrar.
    home: Option<usize>,
}

impl Picture {
    /// A picture in the terminal if `live`, else lines.
    pub(crate) fn new(live: bool, acts: &[Act]) -> Result<Self> {
        Ok(Picture {
            terminal: live.then(ratatui::try_init).transpose()?,
            began: clock::now(),
            acts: acts.iter().map(|act| (*act, None)).collect(),
            playing: None,
            registrars: Vec::new(),
            servers: Vec::new(),
            answered: HashMap::new(),
            serving: None,
            outstanding: 0,
            counts: Counts::default(),
            rate: VecDeque::new(),
            timeline: VecDeque::new(),
        })
    }

    /// Gives the terminal back; with results it waits for a key first.
    pub(crate) fn close(&mut self, results: Option<&[ActResult]>) -> Result<()> {
        if self.terminal.is_some() {
            if results.is_some() {
                self.note("the end: press any key".to_owned());
                self.draw()?;
                event::read()?;
            }
            self.terminal = None;
            ratatui::restore();
        }
        Ok(())
    }

    /// Whether the person at the terminal wants to leave.
    pub(crate) fn wants_to_quit(&mut self) -> Result<bool> {
        if self.terminal.is_none() || !event::poll(Duration::ZERO)? {
            return Ok(false);
        }
        Ok(matches!(event::read()?, Event::Key(key) if key.code == KeyCode::Char('q')
            || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))))
    }

    pub(crate) fn servers(&mut self, servers: &[Server]) {
        let before = std::mem::take(&mut self.servers);
        self.servers = servers
            .iter()
            .map(|server| Shown {
                id: server.id,
                weight: server.weight,
                pid: server.pid,
                state: before.iter().find(|s| s.id == server.id).map_or("registered", |s| s.state),
                home: before.iter().find(|s| s.id == server.id).and_then(|s| s.home),
            })
            .collect();
    }

    /// The registrars, and who is whose home.
    pub(crate) fn homes(&mut self, registrars: &Registrars) {
        let view = registrars.view();
        self.registrars = registrars.shown(&view);
        for server in &mut self.servers {
            server.home = view.home_of(server.id);
        }
    }

    pub(crate) fn act_begins(&mut self, act: Act) {
        self.playing = Some(self.playing.map_or(0, |playing| playing + 1));
        self.tell(Color::Cyan, format!("act: {}", act.title()));
    }

    pub(crate) fn server_fault(&mut self, act: Act, victim: u32) {
        let (state, what) = match act {
            Act::Kill => ("killed", "SIGKILL to"),
            Act::Hang => ("stopped", "SIGSTOP to"),
            Act::Drain => ("drains", "SIGTERM to"),
            _ => ("cut off", "link cut to"),
        };
        self.state(victim, state);
        self.tell(Color::Red, format!("{what} pool element {victim}, which serves the session"));
    }

    pub(crate) fn registrar_killed(&mut self, number: usize) {
        self.tell(Color::Red, format!("SIGKILL to registrar {number}"));
    }

    pub(crate) fn recovered(&mut self, act: Act, victim: u32) {
        if matches!(act, Act::Blackhole | Act::Hang) {
            self.state(victim, "registered");
            self.note(format!("pool element {victim} is back"));
        }
    }

    pub(crate) fn act_ended(&mut self, result: &ActResult) {
        if let Some((_, slot)) = self.playing.and_then(|playing| self.acts.get_mut(playing)) {
            *slot = Some(result.clone());
        }
        let gap = result.interruption_ms;
        let fault = match result.fault {
            Fault::Server { detect_ms } => format!("interruption {gap:.1} ms, noticed after {detect_ms:.1} ms"),
            Fault::Registrar { rehome_ms, resolutions, failed_resolutions, .. } => format!(
                "all rehomed after {rehome_ms:.1} ms, {failed_resolutions} of {resolutions} resolutions failed, longest gap {gap:.1} ms"
            ),
        };
        let ActResult { sent, answered, lost, duplicated, resent, .. } = result;
        self.tell(
            if result.ok() { Color::Green } else { Color::Red },
            format!("{fault}; {sent} sent, {answered} answered, {lost} lost, {duplicated} duplicated, {resent} resent"),
        );
    }

    pub(crate) fn note(&mut self, what: String) {
        self.tell(Color::Reset, what);
    }

    /// News of the pool user.
    pub(crate) fn news(&mut self, news: &News) -> Result<()> {
        match news {
            News::Leaving { pe, cause, .. } => {
                self.tell(Color::Yellow, format!("the session leaves pool element {pe}: {cause}"))
            }
            News::Failover { to, .. } => self.tell(Color::Green, format!("the session goes on at pool element {to}")),
            News::Progress { pe, outstanding, counts, .. } => {
                let more = counts.answered.saturating_sub(self.counts.answered);
                if let Some(pe) = pe {
                    *self.answered.entry(*pe).or_default() += more;
                }
                self.rate.push_back(more);
                if self.rate.len() > RATE_SAMPLES {
                    self.rate.pop_front();
                }
                self.serving = *pe;
                self.outstanding = *outstanding;
                self.counts = counts.clone();
                self.draw()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn state(&mut self, id: u32, state: &'static str) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.id == id) {
            server.state = state;
        }
    }

    fn tell(&mut self, color: Color, what: String) {
        let at = clock::now() - self.began;
        if self.terminal.is_none() {
            eprintln!("[{:7.3}] {what}", at as f64 / 1e6);
        }
        self.timeline.push_back((at, color, what));
        if self.timeline.len() > 200 {
            self.timeline.pop_front();
        }
    }

    fn draw(&mut self) -> Result<()> {
        if let Some(mut terminal) = self.terminal.take() {
            let drawn = terminal.draw(|frame| self.paint(frame)).map(drop);
            self.terminal = Some(terminal);
            drawn?;
        }
        Ok(())
    }

    fn paint(&self, frame: &mut Frame<'_>) {
        // A small terminal shows fewer acts and a lower curve.
        let (registrars, pool) = (self.registrars.len() as u16 + 2, self.servers.len() as u16 + 3);
        let session = if frame.area().height < 32 { 4 } else { 6 };
        let left = frame.area().height.saturating_sub(TITLE + registrars + pool + session + TIMELINE + 2);
        let acts_shown = usize::from(left).clamp(1, self.acts.len().clamp(1, 7));
        let [title, registrars, pool, session, acts, timeline] = Layout::vertical([
            Constraint::Length(TITLE),
            Constraint::Length(registrars),
            Constraint::Length(pool),
            Constraint::Length(session),
            Constraint::Length(acts_shown as u16 + 2),
            Constraint::Min(TIMELINE),
        ])
        .areas(frame.area());
        frame
            .render_widget(Line::from(" rserpool: a session that outlives its servers      q quits").reversed(), title);
        frame.render_widget(self.registrar_table(), registrars);
        frame.render_widget(self.pool_table(), pool);
        let [numbers, rate] = Layout::vertical([Constraint::Length(3), Constraint::Min(1)]).areas(session);
        frame.render_widget(self.session_line(), numbers);
        let samples: Vec<u64> = self.rate.iter().copied().collect();
        frame.render_widget(Sparkline::default().data(&samples).style(Color::Green), rate);
        frame.render_widget(self.act_lines(acts_shown), acts);
        let height = timeline.height.saturating_sub(2) as usize;
        let lines: Vec<Line<'_>> = self
            .timeline
            .iter()
            .rev()
            .take(height)
            .rev()
            .map(|(at, color, what)| {
                Line::from(vec![Span::raw(format!("{:8.3} ", *at as f64 / 1e6)), Span::styled(what.as_str(), *color)])
            })
            .collect();
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" timeline ")), timeline);
    }

    fn registrar_table(&self) -> Table<'_> {
        let rows = self.registrars.iter().map(|registrar| {
            let (color, pid, state) = match registrar.pid {
                Some(pid) => (Color::Reset, format!("pid {pid}"), format!("home of {}", registrar.owned)),
                None => (Color::Red, "dead".to_owned(), String::new()),
            };
            let cells =
                [String::new(), format!("registrar {}", registrar.number), registrar.asap.to_string(), pid, state];
            Row::new(cells.map(Cell::from)).style(Style::from(color))
        });
        let widths = [9, 17, 22, 12, 16].map(Constraint::Length);
        Table::new(rows, widths).block(Block::bordered().title(" registrars "))
    }

    fn pool_table(&self) -> Table<'_> {
        let rows = self.servers.iter().map(|server| {
            let serves = self.serving == Some(server.id);
            let color = match server.state {
                "registered" if serves => Color::Green,
                "registered" => Color::Reset,
                "drains" => Color::Yellow,
                _ => Color::Red,
            };
            let answered = self.answered.get(&server.id).copied().unwrap_or(0);
            Row::new([
                Cell::from(if serves { "▶ serves" } else { "" }),
                Cell::from(format!("pool element {}", server.id)),
                Cell::from(format!("weight {}", server.weight)),
                Cell::from(format!("pid {}", server.pid)),
                Cell::from(server.state),
                Cell::from(server.home.map_or("no home".to_owned(), |home| format!("home {home}"))),
                Cell::from(format!("{answered} answers")),
            ])
            .style(Style::from(color))
        });
        let widths = [9, 17, 10, 12, 12, 9, 16].map(Constraint::Length);
        Table::new(rows, widths).block(Block::bordered().title(" pool \"demo\", weighted round robin "))
    }

    fn session_line(&self) -> Paragraph<'_> {
        let c = &self.counts;
        let serving = self.serving.map_or("between two servers".to_owned(), |pe| format!("pool element {pe}"));
        let text = format!(
            "{serving}   sent {}   answered {}   outstanding {}   duplicated {}   resent {}   longest gap {:.1} ms",
            c.sent,
            c.answered,
            self.outstanding,
            c.duplicated,
            c.resent,
            clock::ms(0, c.gap)
        );
        Paragraph::new(text.add_modifier(Modifier::BOLD))
            .block(Block::bordered().title(" session, answers over time below "))
    }

    /// So many of the acts, the one that is played among them.
    fn act_lines(&self, shown: usize) -> Paragraph<'_> {
        let playing = self.playing.unwrap_or(0);
        let end = (playing + 1 + usize::from(shown > 2)).max(shown).min(self.acts.len());
        let lines: Vec<Line<'_>> = self
            .acts
            .iter()
            .enumerate()
            .take(end)
            .skip(end.saturating_sub(shown))
            .map(|(index, (act, result))| match result {
                Some(r) => Line::from(format!(
                    " ✔ {}: {:.1} ms (bound {} ms), lost {}, duplicated {}",
                    act.title(),
                    r.interruption_ms,
                    act.bound_ms(),
                    r.lost,
                    r.duplicated
                ))
                .green(),
                None if self.playing == Some(index) => Line::from(format!(" ▶ {}", act.title())).bold(),
                None => Line::from(format!("   {}", act.title())).dim(),
            })
            .collect();
        Paragraph::new(lines).block(Block::bordered().title(" acts "))
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        if self.terminal.is_some() {
            ratatui::restore();
        }
    }
}

const RATE_SAMPLES: usize = 400;
/// Lines of the title, and at least of the timeline.
const TITLE: u16 = 1;
const TIMELINE: u16 = 5;

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn painted(picture: &Picture, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| picture.paint(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn registrars_homes_and_the_act_that_is_played_are_shown_in_small_terminals_too() {
        let mut picture = Picture::new(false, &Act::ALL).unwrap();
        let shown = |number, pid| registrars::Shown { number, asap: "127.0.0.1:7".parse().unwrap(), pid, owned: 2 };
        picture.registrars = vec![shown(1, Some(11)), shown(2, None), shown(3, Some(13))];
        let server = |id, home| Shown { id, weight: id, pid: 100 + id, state: "registered", home };
        picture.servers = vec![server(1, Some(3)), server(2, None)];
        picture.playing = Some(5);
        for (width, height) in [(120, 50), (80, 24)] {
            let text = painted(&picture, width, height);
            for words in
                ["registrar 1", "pid 13", "home of 2", "dead", "home 3", "no home", "▶ kill -9 two of the three"]
            {
                assert!(text.contains(words), "\"{words}\" is not in\n{text}");
            }
        }
        painted(&picture, 10, 3);
    }
}
