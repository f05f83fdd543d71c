//! Wake-ups between processes, by LISTEN and NOTIFY.
//!
//! A NOTIFY makes its transaction's commit wait for a lock that the whole database server shares. So none is part of a
//! transaction that does anything else: what was raised in this process is passed on afterwards, by a statement of its own, and
//! what is raised shortly after that goes together. Through a pooler that hands out a connection for a transaction, LISTEN
//! hears nothing: it needs a connection of its own past the pooler, and without that every process finds its work by looking from
//! time to time.

use std::time::Duration;

use airlock_store::StoreResult;
use airlock_store::wake::{Signal, Wake};
use sqlx::postgres::PgListener;

use crate::PostgresStore;
use crate::error::Failure;

/// What is raised sooner after a notification goes together in the next one.
const GATHERED: Duration = Duration::from_millis(2);
/// How long nothing is tried after the database was not there.
const PAUSE: Duration = Duration::from_secs(1);

/// The kinds of [`Wake`], as channels of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Runs,
    Reports,
    Queue,
    Callbacks,
    Triggers,
}

impl Channel {
    const ALL: [Self; 5] = [Self::Runs, Self::Reports, Self::Queue, Self::Callbacks, Self::Triggers];

    const fn name(self) -> &'static str {
        match self {
            Self::Runs => "airlock_runs",
            Self::Reports => "airlock_reports",
            Self::Queue => "airlock_queue",
            Self::Callbacks => "airlock_callbacks",
            Self::Triggers => "airlock_triggers",
        }
    }

    fn signal(self, wake: &Wake) -> &Signal {
        match self {
            Self::Runs => wake.runs(),
            Self::Reports => wake.reports(),
            Self::Queue => wake.queue(),
            Self::Callbacks => wake.callbacks(),
            Self::Triggers => wake.triggers(),
        }
    }
}

impl PostgresStore {
    /// Passes wake-ups on, until it is dropped: the kinds that are `heard` in this process come from others, and the rest is told
    /// to them. A process that hears a kind does not pass on its own wake-ups of that kind. Where the database is not there, it
    /// tries again; a wake-up may be lost meanwhile, and all that are heard are raised once it is back.
    ///
    /// The connection that listens is also the one whose end tells that others may have ended ([`crate::losses`]), and is there for
    /// that alone in a process that hears nothing.
    pub async fn relay_wake_ups(&self, wake: &Wake, heard: &[Channel]) {
        let tell = |channel: Channel| async move {
            if heard.contains(&channel) {
                std::future::pending::<()>().await;
            }
            loop {
                channel.signal(wake).raised().await;
                let pause = match self.notify(channel).await {
                    Ok(()) => GATHERED,
                    Err(error) => {
                        tracing::debug!("other processes are not woken, and will look by themselves: {error}");
                        PAUSE
                    }
                };
                tokio::time::sleep(pause).await;
            }
        };
        let [runs, reports, queue, callbacks, triggers] = Channel::ALL.map(tell);
        let listen = async {
            loop {
                let ended = self.listen(wake, heard).await;
                self.losses.note();
                let why = ended.err().map_or_else(|| "the connection has ended".to_owned(), |error| error.to_string());
                tracing::debug!("wake-ups of other processes are not heard: {why}");
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::join!(runs, reports, queue, callbacks, triggers, listen);
    }

    async fn notify(&self, channel: Channel) -> StoreResult<()> {
        let mut connection = self.kept.acquire().await?;
        let notify = sqlx::query("SELECT pg_notify($1, '')").bind(channel.name());
        notify.execute(&mut *connection).await.map_err(Failure::from)?;
        self.kept.keep(connection);
        Ok(())
    }

    /// Until the connection ends. Nobody is told of its end before there is another: the first that is heard of a restart is
    /// that it is over.
    async fn listen(&self, wake: &Wake, heard: &[Channel]) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(&self.direct).await?;
        listener.eager_reconnect(false);
        listener.listen_all(heard.iter().map(|channel| channel.name())).await?;
        // What came before this was not heard; nor was the end of other connections.
        self.losses.note();
        for channel in heard {
            channel.signal(wake).raise();
        }
        while let Some(notification) = listener.try_recv().await? {
            if let Some(channel) = heard.iter().find(|channel| channel.name() == notification.channel()) {
                channel.signal(wake).raise();
            }
        }
        Ok(())
    }
}
