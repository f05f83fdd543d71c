use airlock_core::asset::{Asset, AssetOrAlias, OutletEvent};
use serde_json::{Map, Value};

use super::{instant, moment};
use crate::bindings::airlock::operator::assets::{Asset as WitAsset, AssetError, Event, Host, Page, Source};
use crate::bindings::airlock::operator::types::Instant;
use crate::capability::assets::{AssetEventInfo, Assets, EventPage};
use crate::limit::{Limit, LimitReached};
use crate::run::state::CallState;

/// Events that one call may ask for.
const MOST: u32 = 1_000;

/// What a guest has said of events, and its size.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) events: Vec<OutletEvent>,
    bytes: u64,
}

impl From<AssetEventInfo> for Event {
    fn from(event: AssetEventInfo) -> Self {
        let source = event.source.map(|source| Source {
            dag_id: source.dag_id,
            task_id: source.task_id,
            run_id: source.run_id,
            map_index: source.map_index,
        });
        Self {
            name: event.name,
            uri: event.uri,
            group: event.group,
            extra: Value::Object(event.extra).to_string(),
            timestamp: instant(event.timestamp),
            source,
            source_aliases: event.source_aliases,
            partition_key: event.partition_key,
        }
    }
}

/// The one that is meant, or the names of those that there are.
fn declared<'a>(of: &'a [AssetOrAlias], name: &str, kind: &str) -> Result<&'a AssetOrAlias, AssetError> {
    AssetOrAlias::named(of, name).ok_or_else(|| {
        let known = of.iter().map(|one| match one {
            AssetOrAlias::Asset(asset) => format!("`{}`", asset.uri),
            AssetOrAlias::Alias(alias) => format!("the alias `{}`", alias.name),
        });
        let known: Vec<String> = known.collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        AssetError::NotDeclared(format!("the task has no {kind} `{name}`; it has {known}"))
    })
}

fn object(text: &str, what: &str) -> Result<Map<String, Value>, AssetError> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(AssetError::Invalid(format!("{what} is no JSON object"))),
        Err(error) => Err(AssetError::Invalid(format!("{what} is not JSON: {error}"))),
    }
}

fn asset(given: WitAsset) -> Result<Asset, AssetError> {
    let WitAsset { name, uri, group, extra } = given;
    for (what, text) in [("name", &name), ("URI", &uri)] {
        if !Asset::is_name(text) {
            let longest = Asset::LONGEST;
            let problem = format!("the {what} of an asset is 1 to {longest} printable ASCII characters");
            return Err(AssetError::Invalid(problem));
        }
    }
    let group = group.unwrap_or_else(|| Asset::GROUP.to_owned());
    if !Asset::is_name(&group) {
        return Err(AssetError::Invalid("the group of an asset is printable ASCII characters".to_owned()));
    }
    let extra = extra.map(|extra| object(&extra, "the asset's `extra`")).transpose()?.unwrap_or_default();
    Ok(Asset { name, uri, group, extra })
}

fn page(given: Page) -> Result<EventPage, AssetError> {
    let at = |given: Option<Instant>| {
        let beyond =
            || AssetError::Invalid("a moment is beyond the calendar, or its fraction beyond a second".to_owned());
        given.map(|at| moment(at).ok_or_else(beyond)).transpose()
    };
    if !(1..=MOST).contains(&given.limit) {
        return Err(AssetError::Invalid(format!("`limit` is {}; 1 to {MOST} events can be asked for", given.limit)));
    }
    Ok(EventPage { after: at(given.after)?, before: at(given.before)?, limit: given.limit, offset: given.offset })
}

impl CallState {
    /// Keeps what is said, `bytes` of it, unless it is too much.
    fn say(&mut self, event: OutletEvent, bytes: usize) -> wasmtime::Result<Result<(), AssetError>> {
        let (bytes, limit) = (self.said.bytes.saturating_add(bytes as u64), self.limits.asset_event_bytes);
        if bytes > limit {
            self.note(&LimitReached::new(Limit::AssetEventBytes, limit, bytes, "saying something of an event"))?;
            return Ok(Err(AssetError::TooLarge(limit)));
        }
        let (count, limit) = (self.said.events.len() as u64 + 1, self.limits.asset_event_count);
        if count > u64::from(limit) {
            self.note(&LimitReached::new(Limit::AssetEventCount, limit.into(), count, "saying something of an event"))?;
            return Ok(Err(AssetError::TooMany(limit)));
        }
        self.said.bytes = bytes;
        self.said.events.push(event);
        Ok(Ok(()))
    }

    fn extra_of(&self, outlet: &str, extra: &str) -> Result<OutletEvent, AssetError> {
        let extra = object(extra, "`extra`")?;
        match declared(self.capabilities.assets.outlets(), outlet, "outlet")? {
            AssetOrAlias::Asset(Asset { name, uri, .. }) => {
                Ok(OutletEvent::Extra { name: name.clone(), uri: uri.clone(), extra })
            }
            AssetOrAlias::Alias(_) => Err(AssetError::Invalid(format!(
                "`{outlet}` is an alias: `add-event` says which asset it stands for, with the event's extra"
            ))),
        }
    }

    fn by_alias(&self, alias: &str, given: WitAsset, extra: &str) -> Result<OutletEvent, AssetError> {
        let (asset, extra) = (asset(given)?, object(extra, "`extra`")?);
        match declared(self.capabilities.assets.outlets(), alias, "outlet")? {
            AssetOrAlias::Alias(alias) => Ok(OutletEvent::ByAlias { alias: alias.name.clone(), asset, extra }),
            AssetOrAlias::Asset(_) => {
                Err(AssetError::Invalid(format!("`{alias}` is an asset and no alias: `set-extra` is for its event")))
            }
        }
    }
}

async fn events(assets: &dyn Assets, inlet: &str, given: Page) -> Result<Vec<Event>, AssetError> {
    let page = page(given)?;
    let inlet = declared(assets.inlets(), inlet, "inlet")?;
    let events = assets.events(inlet, &page).await.map_err(AssetError::Other)?;
    Ok(events.into_iter().map(Into::into).collect())
}

fn size(event: &Event) -> u64 {
    let texts = event.name.len() + event.uri.len() + event.group.len() + event.extra.len();
    (texts + event.source_aliases.iter().map(String::len).sum::<usize>()) as u64
}

impl Host for CallState {
    async fn set_extra(&mut self, outlet: String, extra: String) -> wasmtime::Result<Result<(), AssetError>> {
        self.host_calls += 1;
        match self.extra_of(&outlet, &extra) {
            Ok(event) => self.say(event, outlet.len() + extra.len()),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn add_event(
        &mut self,
        alias: String,
        asset: WitAsset,
        extra: String,
    ) -> wasmtime::Result<Result<(), AssetError>> {
        self.host_calls += 1;
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let of_asset = asset.name.len() + asset.uri.len() + optional(&asset.group) + optional(&asset.extra);
        match self.by_alias(&alias, asset, &extra) {
            Ok(event) => self.say(event, alias.len() + of_asset + extra.len()),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn inlet_events(&mut self, inlet: String, page: Page) -> wasmtime::Result<Result<Vec<Event>, AssetError>> {
        self.host_calls += 1;
        let events = match events(&*self.capabilities.assets, &inlet, page).await {
            Ok(events) => events,
            Err(error) => return Ok(Err(error)),
        };
        let (bytes, limit) = (events.iter().map(size).sum::<u64>(), self.limits.host_call_bytes);
        if bytes > limit {
            self.note(&LimitReached::new(Limit::HostCall, limit, bytes, "reading events of an asset"))?;
            let problem =
                format!("the events are larger than {limit} bytes, the limit of one host call: ask for fewer");
            return Ok(Err(AssetError::Other(problem)));
        }
        Ok(Ok(events))
    }
}
