//! What goes wrong, at random.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use airlock_test_services::Server as DatabaseServer;
use airlock_tests::Network;
use anyhow::Result;

use super::dice::Dice;
use super::fleet::Fleet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    DatabaseRestartedFast,
    DatabaseRestartedImmediately,
    /// The database is out of everybody's reach for longer than a lease.
    DatabaseInTheDark,
}

const WEIGHTS: &[(u64, Fault)] = &[
    (20, Fault::Killed),
    (15, Fault::Frozen),
    (12, Fault::AskedToEnd),
    (12, Fault::CutOff),
    (12, Fault::InTheDark),
    (10, Fault::InTheDarkAndCutOff),
    (8, Fault::KilledInTheDark),
    (8, Fault::SlowNetwork),
    (4, Fault::DatabaseRestartedFast),
    (4, Fault::DatabaseRestartedImmediately),
    (3, Fault::DatabaseInTheDark),
];

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
    database: &'a DatabaseServer,
    began: Instant,
    next: Instant,
    cures: Vec<(Instant, Cure)>,
    pub injected: BTreeMap<String, u32>,
}

impl<'a> Faults<'a> {
    pub fn new(dice: Dice, lease: Duration, database: &'a DatabaseServer) -> Self {
        let now = Instant::now();
        Self { dice, lease, database, began: now, next: now, cures: Vec::new(), injected: BTreeMap::new() }
    }

    /// Lets go wrong what is due, and puts right what has lasted long enough.
    pub fn tend(&mut self, fleet: &mut Fleet) -> Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.cures.drain(..).partition(|(at, _)| *at <= now);
        self.cures = later;
        for (_, cure) in due {
            Self::cure(cure, fleet)?;
        }
        if now >= self.next {
            self.next = now + Duration::from_millis(self.dice.between(300, 2_500));
            if let Some(fault) = self.dice.weighed(WEIGHTS) {
                self.inject(fault, fleet)?;
            }
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

    fn inject(&mut self, fault: Fault, fleet: &mut Fleet) -> Result<()> {
        let member = usize::try_from(self.dice.below(fleet.members.len() as u64))?;
        let long = self.lease + Duration::from_millis(self.dice.between(500, 4_000));
        let over = Instant::now() + long;
        let mut whom = fleet.members[member].name.clone();
        match fault {
            Fault::Killed => fleet.kill(member, Duration::from_millis(self.dice.between(0, 3_000)))?,
            Fault::Frozen => {
                fleet.freeze(member)?;
                self.cures.push((over, Cure::Thaw(member)));
            }
            Fault::AskedToEnd => fleet.ask_to_end(member)?,
            Fault::CutOff => fleet.members[member].network.cut(),
            Fault::InTheDark => {
                fleet.members[member].network.turn(Network::Dark);
                self.cures.push((over, Cure::Light(member)));
            }
            Fault::InTheDarkAndCutOff => {
                fleet.members[member].network.turn(Network::Dark);
                self.cures.push((over, Cure::LightAndCut(member)));
            }
            Fault::KilledInTheDark => {
                fleet.members[member].network.turn(Network::Dark);
                fleet.kill(member, long)?;
                self.cures.push((over, Cure::Light(member)));
            }
            Fault::SlowNetwork => {
                let by = Duration::from_millis(self.dice.between(5, 150));
                fleet.members[member].network.turn(Network::Slow(by));
                self.cures.push((over, Cure::Light(member)));
            }
            Fault::DatabaseRestartedFast => self.database.restart("INT")?,
            Fault::DatabaseRestartedImmediately => self.database.restart("QUIT")?,
            Fault::DatabaseInTheDark => {
                for (number, member) in fleet.members.iter().enumerate() {
                    member.network.turn(Network::Dark);
                    self.cures.push((over, Cure::Light(number)));
                }
            }
        }
        if fault >= Fault::DatabaseRestartedFast {
            "the database".clone_into(&mut whom);
        }
        let name = format!("{fault:?}");
        println!("{:6.1} s  {name}: {whom}", self.began.elapsed().as_secs_f64());
        *self.injected.entry(name).or_default() += 1;
        Ok(())
    }
}
