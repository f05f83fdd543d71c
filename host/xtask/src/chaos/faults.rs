//! What goes wrong, at random.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use airlock_test_services::Server as DatabaseServer;
use airlock_tests::Network;
use anyhow::Result;
use sqlx::PgPool;

use super::dice::Dice;
use super::fleet::Fleet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Killed,
    /// Stopped for longer than a lease, and woken again.
    Frozen,
    /// SIGTERM.
    AskedToEnd,
    /// Its connections to the database end.
    CutOff,
    /// Nothing reaches the database for longer than a lease, and then everything that was sent.
    InTheDark,
    /// The same, and then the connections end.
    InTheDarkAndCutOff,
    /// Killed while nothing reaches the database, which learns of its end later.
    KilledInTheDark,
    SlowNetwork,
    /// For a moment the database does what it is asked to, and its answers are lost.
    AnswersLost,
    /// The heartbeats of a worker that has something to do, and nothing else of it, fail for longer than a lease.
    HeartbeatsFail,
    RestartedFast,
    RestartedImmediately,
    /// The database is out of everybody's reach for longer than a lease.
    OutOfReach,
}

/// Whom a fault befalls, if not processes of a role.
const DATABASE: &str = "database";

/// Faults are cards that are drawn until none is left: so each befalls each role within about forty seconds, in an order that chance makes.
fn cards() -> Vec<(Fault, &'static str)> {
    use Fault::*;
    let everybody =
        [Killed, Frozen, AskedToEnd, CutOff, InTheDark, InTheDarkAndCutOff, KilledInTheDark, SlowNetwork, AnswersLost];
    let each = |fault| ["scheduler", "worker", "api"].map(|role| (fault, role));
    let mut cards: Vec<_> = everybody.into_iter().flat_map(each).collect();
    cards.extend([Killed, Frozen].into_iter().flat_map(|fault| [(fault, "scheduler"), (fault, "worker")]));
    cards.extend([(HeartbeatsFail, "worker"); 2]);
    cards.extend([RestartedFast, RestartedImmediately, OutOfReach].map(|fault| (fault, DATABASE)));
    cards
}

/// How a fault ends.
#[derive(Clone, Copy, Debug)]
enum Cure {
    Thaw(usize),
    Light(usize),
    LightAndCut(usize),
}

/// Everything that goes wrong, and what is to be put right again.
pub struct Faults<'a> {
    dice: Dice,
    lease: Duration,
    server: &'a DatabaseServer,
    database: PgPool,
    began: Instant,
    next: Instant,
    cards: Vec<(Fault, &'static str)>,
    cures: Vec<(Instant, Cure)>,
    /// How often each befell whom.
    pub injected: BTreeMap<(String, &'static str), u32>,
}

impl<'a> Faults<'a> {
    pub fn new(dice: Dice, lease: Duration, server: &'a DatabaseServer, database: PgPool) -> Self {
        let now = Instant::now();
        let injected = cards().into_iter().map(|(fault, role)| ((format!("{fault:?}"), role), 0)).collect();
        let (cards, cures) = (Vec::new(), Vec::new());
        Self { dice, lease, server, database, began: now, next: now, cards, cures, injected }
    }

    /// Lets go wrong what is due, and puts right what has lasted long enough.
    pub async fn tend(&mut self, fleet: &mut Fleet) -> Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.cures.drain(..).partition(|(at, _)| *at <= now);
        self.cures = later;
        for (_, cure) in due {
            Self::cure(cure, fleet)?;
        }
        if now < self.next {
            return Ok(());
        }
        self.next = now + Duration::from_millis(self.dice.between(300, 1_800));
        if self.cards.is_empty() {
            self.cards = cards();
        }
        let card = usize::try_from(self.dice.below(self.cards.len() as u64))?;
        let (fault, role) = self.cards[card];
        // What has nobody to befall at the moment stays among the cards.
        if let Some(whom) = self.inject(fault, role, fleet).await? {
            self.cards.swap_remove(card);
            *self.injected.entry((format!("{fault:?}"), role)).or_default() += 1;
            println!("{:6.1} s  {fault:?}: {whom}", self.began.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// No more faults: whatever still lasts is put right.
    pub fn end(&mut self, fleet: &mut Fleet) -> Result<()> {
        for (_, cure) in std::mem::take(&mut self.cures) {
            Self::cure(cure, fleet)?;
        }
        Ok(())
    }

    fn cure(cure: Cure, fleet: &Fleet) -> Result<()> {
        match cure {
            Cure::Thaw(member) => fleet.thaw(member)?,
            Cure::Light(member) => fleet.members[member].network.turn(Network::Clear),
            Cure::LightAndCut(member) => {
                fleet.members[member].network.cut();
                fleet.members[member].network.turn(Network::Clear);
            }
        }
        Ok(())
    }

    /// Answers whom it befell: nobody who is down or has another fault, so that every fault that is counted takes effect.
    async fn inject(&mut self, fault: Fault, role: &'static str, fleet: &mut Fleet) -> Result<Option<String>> {
        let long = self.lease + Duration::from_millis(self.dice.between(500, 4_000));
        let over = Instant::now() + long;
        if role == DATABASE {
            match fault {
                Fault::RestartedFast => self.server.restart("INT")?,
                Fault::RestartedImmediately => self.server.restart("QUIT")?,
                _ => {
                    for (number, member) in fleet.members.iter().enumerate() {
                        member.network.turn(Network::Dark);
                        self.cures.push((over, Cure::Light(number)));
                    }
                }
            }
            return Ok(Some("the database".to_owned()));
        }
        if fault == Fault::HeartbeatsFail {
            return Ok(self.fail_heartbeats(long).await);
        }
        let well: Vec<usize> = fleet.well(role)?.into_iter().filter(|member| !self.is_ailing(*member)).collect();
        let Some(member) = self.dice.pick(&well).copied() else { return Ok(None) };
        let network = &fleet.members[member].network;
        match fault {
            Fault::Killed => fleet.kill(member, Duration::from_millis(self.dice.between(0, 3_000)))?,
            Fault::Frozen => {
                fleet.freeze(member)?;
                self.cures.push((over, Cure::Thaw(member)));
            }
            Fault::AskedToEnd => fleet.ask_to_end(member)?,
            Fault::CutOff => network.cut(),
            Fault::InTheDark => {
                network.turn(Network::Dark);
                self.cures.push((over, Cure::Light(member)));
            }
            Fault::InTheDarkAndCutOff => {
                network.turn(Network::Dark);
                self.cures.push((over, Cure::LightAndCut(member)));
            }
            Fault::KilledInTheDark => {
                network.turn(Network::Dark);
                fleet.kill(member, long)?;
                self.cures.push((over, Cure::Light(member)));
            }
            Fault::AnswersLost => {
                network.turn(Network::Unanswered);
                let moment = Duration::from_millis(self.dice.between(200, 1_500));
                self.cures.push((Instant::now() + moment, Cure::LightAndCut(member)));
            }
            _ => {
                network.turn(Network::Slow(Duration::from_millis(self.dice.between(5, 150))));
                self.cures.push((over, Cure::Light(member)));
            }
        }
        Ok(Some(fleet.members[member].name.clone()))
    }

    /// What never went wrong.
    pub fn missing(&self) -> Vec<String> {
        let never = self.injected.iter().filter(|(_, count)| **count == 0);
        never.map(|((fault, role), _)| format!("{fault} ({role})")).collect()
    }

    fn is_ailing(&self, member: usize) -> bool {
        self.cures.iter().any(|(_, cure)| {
            let (Cure::Thaw(ailing) | Cure::Light(ailing) | Cure::LightAndCut(ailing)) = cure;
            *ailing == member
        })
    }

    /// The database itself refuses them: all connections of a worker are one to a network.
    async fn fail_heartbeats(&self, long: Duration) -> Option<String> {
        let busy = sqlx::query_scalar::<_, String>(
            "INSERT INTO chaos.muted SELECT worker, now() + make_interval(secs => $1) FROM queue
             WHERE state = 'running' AND worker IS NOT NULL ORDER BY started_at DESC LIMIT 1 RETURNING worker::text",
        );
        let muted = busy.bind(long.as_secs_f64()).fetch_optional(&self.database).await;
        // The database may be away itself.
        Some(format!("worker {}", muted.ok()??))
    }
}
