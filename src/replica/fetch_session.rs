//! Incremental fetch sessions (KIP-227): what a fetcher asked for and was told last time, so that it need not repeat
//! the one nor be told the other again. Time and new session ids arrive as arguments.
//!
//! A session watches its partitions, so that a fetch costs what has changed and not what there is: only partitions with
//! news are looked at, and those that were not finished the last time (they had records, or an error).
//!
//! | request (id, epoch) | meaning | answer |
//! |---|---|---|
//! | (0, 0) | open a session | full, with the new id, or 0 when there is no room |
//! | (any, -1) | close the session, if any; sessionless | full, id 0 |
//! | (id, 0) | close that session, open another | as (0, 0) |
//! | (id, n > 0) | the n-th incremental fetch of the session | only what changed |
//!
//! An incremental answer keeps a partition back unless it has records, an error, a diverging epoch, or a high
//! watermark or log start offset that the fetcher has not seen. Partitions that were sent with records go to the end of
//! the session's order, so that a full response does not starve the ones behind.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wire::ErrorCode;
use zk_paths::ids::{TopicId, TopicName};

use super::waiters::{News, Registered, SessionWatch, Waiters};
use crate::locks::lock;

/// Opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// Closes a session, or wants none.
pub const FINAL_EPOCH: i32 = -1;
/// "No session".
pub const NO_SESSION: i32 = 0;
/// How long a session must have been unused, or must have lived, before a newcomer of its own class may push it out
/// (`min.incremental.fetch.session.eviction.ms`, a constant in Kafka).
pub const EVICTION_AGE: Duration = Duration::from_secs(120);

/// Names a partition as the fetcher did: by topic id from Fetch v13 on, by name before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKey {
    /// Fetch v0–12.
    Name(TopicName),
    /// Fetch v13 and later.
    Id(TopicId),
}

/// What a fetcher wants of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The topic.
    pub topic: TopicKey,
    /// The partition's number.
    pub partition: i32,
    /// First offset to send.
    pub fetch_offset: i64,
    /// Limit of bytes, but for a first batch that is larger.
    pub max_bytes: i32,
    /// The leader epoch that the fetcher believes in; -1 for none.
    pub current_leader_epoch: i32,
    /// Epoch of the last record that it has (v12+); -1 for none.
    pub last_fetched_epoch: i32,
    /// A follower's own log start offset; -1 from consumers.
    pub log_start_offset: i64,
}

/// The part of a partition's answer that decides whether an incremental response carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The partition's error.
    pub error: ErrorCode,
    /// Bytes of records in the answer.
    pub records_bytes: usize,
    /// High watermark as answered.
    pub high_watermark: i64,
    /// Log start offset as answered.
    pub log_start_offset: i64,
    /// A diverging epoch or a preferred read replica is part of the answer.
    pub redirects: bool,
}

type Key = (TopicKey, i32);

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    /// Position in the session's order.
    place: u64,
    high_watermark: i64,
    log_start_offset: i64,
    watch: Arc<SessionWatch>,
    registered: Option<Registered>,
}

impl Cached {
    /// Whether the fetcher must hear this, and remembers it if so.
    fn tell(&mut self, told: &Told) -> bool {
        let news = told.records_bytes > 0
            || told.redirects
            || told.error != ErrorCode::None
            || told.high_watermark != self.high_watermark
            || told.log_start_offset != self.log_start_offset;
        // After an error the high watermark counts as unknown, so that the partition's recovery is told as well.
        self.high_watermark = if told.error == ErrorCode::None { told.high_watermark } else { -1 };
        self.log_start_offset = told.log_start_offset;
        news
    }

    /// Watches the partition that the name stands for now; it may have been another, or none, before.
    fn follow(&mut self, waiters: Option<&Arc<Waiters>>) {
        let current = |registered: &Registered| waiters.is_some_and(|waiters| registered.is_with(waiters));
        if !self.registered.as_ref().is_some_and(current) {
            self.registered = waiters.map(|waiters| waiters.register_session(&self.watch));
        }
    }
}

/// A partition to look at.
#[derive(Debug)]
pub struct Target<P> {
    /// The session's number for it; 0 outside of sessions.
    pub number: u64,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// The partition, or why there is none.
    pub partition: Result<P, ErrorCode>,
}

/// One fetcher's session.
#[derive(Debug)]
pub struct Session {
    epoch: i32,
    by_topic_id: bool,
    partitions: HashMap<u64, Cached>,
    numbers: HashMap<Key, u64>,
    /// Partitions that must be looked at without being told.
    unfinished: HashSet<u64>,
    news: Arc<News>,
    next_number: u64,
    next_place: u64,
}

impl Session {
    fn new(by_topic_id: bool) -> Session {
        Session {
            epoch: next_epoch(INITIAL_EPOCH),
            by_topic_id,
            partitions: HashMap::new(),
            numbers: HashMap::new(),
            unfinished: HashSet::new(),
            news: Arc::default(),
            next_number: 1,
            next_place: 0,
        }
    }

    fn want(&mut self, wanted: Wanted) -> u64 {
        let key = (wanted.topic.clone(), wanted.partition);
        let number = *self.numbers.entry(key).or_insert(self.next_number);
        if let Some(cached) = self.partitions.get_mut(&number) {
            cached.wanted = wanted;
        } else {
            let watch = SessionWatch::new(number, self.news.clone());
            let (place, high_watermark, log_start_offset) = (self.next_place, -1, -1);
            let cached = Cached { wanted, place, high_watermark, log_start_offset, watch, registered: None };
            self.partitions.insert(number, cached);
            self.next_number += 1;
            self.next_place += 1;
        }
        self.unfinished.insert(number);
        number
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        if let Some(number) = self.numbers.remove(&(topic.clone(), partition)) {
            self.partitions.remove(&number);
            self.unfinished.remove(&number);
        }
    }

    /// Where its partitions leave their news.
    pub fn news(&self) -> Arc<News> {
        self.news.clone()
    }

    /// The partitions to look at now, in the session's order. `find` says which partition a name stands for, `waiters` how
    /// to watch it.
    pub fn look<P>(
        &mut self,
        find: impl Fn(&Wanted) -> Result<P, ErrorCode>,
        waiters: impl Fn(&P) -> &Arc<Waiters>,
    ) -> Vec<Target<P>> {
        for number in self.news.take() {
            if let Some(cached) = self.partitions.get(&number) {
                cached.watch.clear();
                self.unfinished.insert(number);
            }
        }
        let mut places = Vec::with_capacity(self.unfinished.len());
        let mut targets = HashMap::with_capacity(self.unfinished.len());
        for number in &self.unfinished {
            let Some(cached) = self.partitions.get_mut(number) else { continue };
            let partition = find(&cached.wanted);
            cached.follow(partition.as_ref().ok().map(&waiters));
            places.push(cached.place);
            targets.insert(cached.place, Target { number: *number, wanted: cached.wanted.clone(), partition });
        }
        places.sort_unstable();
        places.into_iter().filter_map(|place| targets.remove(&place)).collect()
    }

    /// Whether an incremental response carries this partition; remembers what the fetcher now knows.
    pub fn tell(&mut self, number: u64, told: &Told) -> bool {
        let Some(cached) = self.partitions.get_mut(&number) else { return false };
        let news = cached.tell(told);
        if told.records_bytes > 0 {
            cached.place = self.next_place;
            self.next_place += 1;
        }
        // What had records may have more, and an error is repeated until it is over: both are looked at again.
        if told.records_bytes == 0 && told.error == ErrorCode::None && !told.redirects {
            self.unfinished.remove(&number);
        }
        news
    }
}

/// What a Fetch request turned out to be.
#[derive(Debug)]
pub enum Context {
    /// No session wanted, or its last partition was forgotten: answer everything, id 0.
    Sessionless(Vec<Wanted>),
    /// A session wanted: answer everything, then [`FetchSessions::open`].
    Full(Vec<Wanted>),
    /// The next fetch of a session: look at what [`Session::look`] says, answer what [`Session::tell`] lets through, with
    /// the session's id.
    Incremental {
        /// The session's id.
        id: i32,
        /// The session.
        session: Arc<Mutex<Session>>,
    },
    /// Top-level error, id 0, no partitions.
    Refused(ErrorCode),
}

#[derive(Debug)]
struct Slot {
    session: Arc<Mutex<Session>>,
    privileged: bool,
    partitions: usize,
    created: Duration,
    last_used: Duration,
}

/// The broker's sessions, at most `max.incremental.fetch.session.cache.slots` of them.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: Mutex<HashMap<i32, Slot>>,
}

impl FetchSessions {
    /// An empty cache.
    pub fn new(slots: usize) -> FetchSessions {
        FetchSessions { slots, sessions: Mutex::default() }
    }

    /// Places a request. `by_topic_id` is Fetch v13 and later; `forgotten` leave the session.
    pub fn context(
        &self,
        (id, epoch): (i32, i32),
        by_topic_id: bool,
        wanted: Vec<Wanted>,
        forgotten: &[(TopicKey, i32)],
        now: Duration,
    ) -> Context {
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            if id != NO_SESSION {
                lock(&self.sessions).remove(&id);
            }
            return if epoch == FINAL_EPOCH { Context::Sessionless(wanted) } else { Context::Full(wanted) };
        }
        let mut sessions = lock(&self.sessions);
        let Some(slot) = sessions.get_mut(&id) else { return Context::Refused(ErrorCode::FetchSessionIdNotFound) };
        let mut session = lock(&slot.session);
        if session.epoch != epoch {
            return Context::Refused(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_topic_id != by_topic_id {
            return Context::Refused(ErrorCode::FetchSessionTopicIdError);
        }
        forgotten.iter().for_each(|(topic, partition)| session.forget(topic, *partition));
        for wanted in wanted {
            session.want(wanted);
        }
        if session.partitions.is_empty() {
            drop(session);
            sessions.remove(&id);
            return Context::Sessionless(Vec::new());
        }
        session.epoch = next_epoch(epoch);
        let partitions = session.partitions.len();
        drop(session);
        (slot.last_used, slot.partitions) = (now, partitions);
        Context::Incremental { id, session: slot.session.clone() }
    }

    /// Keeps what a full fetch asked for and was told. Answers the session's id, or 0 when there is no room for it.
    /// `draw` yields random positive numbers.
    pub fn open(
        &self,
        told: Vec<(Wanted, Told)>,
        by_topic_id: bool,
        privileged: bool,
        now: Duration,
        mut draw: impl FnMut() -> i32,
    ) -> i32 {
        let mut sessions = lock(&self.sessions);
        if told.is_empty() || !self.make_room(&mut sessions, privileged, told.len(), now) {
            return NO_SESSION;
        }
        let id = loop {
            let id = draw();
            if id > NO_SESSION && !sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session::new(by_topic_id);
        let partitions = told.len();
        for (wanted, told) in told {
            let number = session.want(wanted);
            session.tell(number, &Told { records_bytes: 0, ..told });
            // Nobody watches it yet: the next fetch looks at all of them, once.
            session.unfinished.insert(number);
        }
        let session = Arc::new(Mutex::new(session));
        sessions.insert(id, Slot { session, privileged, partitions, created: now, last_used: now });
        id
    }

    /// Kafka's `FetchSessionCacheShard.tryEvict`: the longest unused session goes when it is stale; otherwise a
    /// consumer's smallest goes for a follower, or a smaller and older one of the same class for a larger newcomer.
    fn make_room(&self, sessions: &mut HashMap<i32, Slot>, privileged: bool, partitions: usize, now: Duration) -> bool {
        if sessions.len() < self.slots {
            return true;
        }
        let stale = sessions
            .iter()
            .min_by_key(|(_, slot)| slot.last_used)
            .filter(|(_, slot)| now.saturating_sub(slot.last_used) > EVICTION_AGE)
            .map(|(id, _)| *id);
        let victim = stale.or_else(|| {
            let rank = |privileged, partitions, id: i32| (privileged, partitions, id);
            sessions
                .iter()
                .filter(|(_, slot)| privileged && !slot.privileged || now.saturating_sub(slot.created) > EVICTION_AGE)
                .min_by_key(|(id, slot)| rank(slot.privileged, slot.partitions, **id))
                .filter(|(id, slot)| {
                    rank(slot.privileged, slot.partitions, **id) < rank(privileged, partitions, NO_SESSION)
                })
                .map(|(id, _)| *id)
        });
        victim.is_some_and(|id| sessions.remove(&id).is_some())
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The epoch of the next incremental fetch: wraps from the largest number to 1.
pub fn next_epoch(epoch: i32) -> i32 {
    if epoch < 0 { FINAL_EPOCH } else { epoch.checked_add(1).unwrap_or(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(partition: i32) -> Wanted {
        Wanted {
            topic: TopicKey::Name("t".into()),
            partition,
            fetch_offset: 0,
            max_bytes: 1000,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        }
    }

    fn told(records_bytes: usize, high_watermark: i64) -> Told {
        Told { error: ErrorCode::None, records_bytes, high_watermark, log_start_offset: 0, redirects: false }
    }

    fn open(cache: &FetchSessions, partitions: i32, privileged: bool, now: u64) -> i32 {
        let told = (0..partitions).map(|partition| (wanted(partition), told(0, 5))).collect();
        let mut next = 100 + cache.len() as i32 + now as i32;
        cache.open(told, false, privileged, Duration::from_secs(now), || {
            next += 1;
            next
        })
    }

    fn session(cache: &FetchSessions, id: i32, epoch: i32) -> Arc<Mutex<Session>> {
        match cache.context((id, epoch), false, vec![], &[], Duration::ZERO) {
            Context::Incremental { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    /// Looks; every partition has its own of these watchers.
    fn look(session: &Mutex<Session>, partitions: &[Arc<Waiters>]) -> Vec<Target<Arc<Waiters>>> {
        let find = |wanted: &Wanted| {
            partitions.get(wanted.partition as usize).cloned().ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        lock(session).look(find, |waiters| waiters)
    }

    fn numbers(targets: &[Target<Arc<Waiters>>]) -> Vec<i32> {
        targets.iter().map(|target| target.wanted.partition).collect()
    }

    fn tell_all(session: &Mutex<Session>, targets: &[Target<Arc<Waiters>>], told: &Told) {
        for target in targets {
            lock(session).tell(target.number, told);
        }
    }

    #[test]
    fn each_kind_of_request_gets_its_context() {
        let cache = FetchSessions::new(10);
        let id = open(&cache, 2, false, 0);
        let context = |id, epoch, by_topic_id| cache.context((id, epoch), by_topic_id, vec![], &[], Duration::ZERO);
        assert!(matches!(context(0, INITIAL_EPOCH, false), Context::Full(_)));
        assert!(matches!(context(0, FINAL_EPOCH, false), Context::Sessionless(_)));
        assert!(matches!(context(id + 1, 1, false), Context::Refused(ErrorCode::FetchSessionIdNotFound)));
        assert!(matches!(context(id, 2, false), Context::Refused(ErrorCode::InvalidFetchSessionEpoch)));
        assert!(matches!(context(id, 1, true), Context::Refused(ErrorCode::FetchSessionTopicIdError)));
        assert!(matches!(context(id, 1, false), Context::Incremental { .. }));
        assert!(matches!(context(id, 1, false), Context::Refused(ErrorCode::InvalidFetchSessionEpoch)));
        assert!(matches!(context(id, 2, false), Context::Incremental { .. }));
        assert!(matches!(context(id, FINAL_EPOCH, false), Context::Sessionless(_)));
        assert!(cache.is_empty());
    }

    #[test]
    fn only_news_is_told() {
        let cache = FetchSessions::new(10);
        let session = session(&cache, open(&cache, 1, false, 0), 1);
        let failed = Told { error: ErrorCode::NotLeaderOrFollower, ..told(0, -1) };
        let moved = Told { log_start_offset: 3, ..told(0, 5) };
        let cases = [
            (told(0, 5), false, "as at the opening"),
            (told(10, 5), true, "records"),
            (told(0, 6), true, "high watermark"),
            (told(0, 6), false, "told already"),
            (failed, true, "an error"),
            (failed, true, "an error is repeated"),
            (told(0, 6), true, "the end of an error"),
            (told(0, 6), false, "told already"),
            (moved, true, "log start offset"),
            (Told { redirects: true, ..moved }, true, "diverging epoch"),
        ];
        for (told, news, why) in cases {
            assert_eq!(lock(&session).tell(1, &told), news, "{why}");
        }
    }

    #[test]
    fn only_partitions_with_news_and_unfinished_ones_are_looked_at() {
        let cache = FetchSessions::new(10);
        let partitions: Vec<Arc<Waiters>> = (0..4).map(|_| Arc::default()).collect();
        let session = session(&cache, open(&cache, 5, false, 0), 1);
        let all = look(&session, &partitions);
        assert_eq!(numbers(&all), [0, 1, 2, 3, 4], "the first time, everything");
        tell_all(&session, &all[..4], &told(0, 5));
        lock(&session).tell(all[4].number, &Told { error: ErrorCode::UnknownTopicOrPartition, ..told(0, -1) });
        assert_eq!(numbers(&look(&session, &partitions)), [4], "an error is looked at again");
        partitions[2].readable(10);
        partitions[0].wake_all();
        let some = look(&session, &partitions);
        assert_eq!(numbers(&some), [0, 2, 4]);
        tell_all(&session, &some[1..2], &told(9, 6));
        tell_all(&session, &some[..1], &told(0, 6));
        assert_eq!(numbers(&look(&session, &partitions)), [4, 2], "records may go on, behind the others");
    }

    #[test]
    fn a_partition_made_anew_is_followed() {
        let cache = FetchSessions::new(10);
        let session = session(&cache, open(&cache, 1, false, 0), 1);
        let (old, new): (Arc<Waiters>, Arc<Waiters>) = Default::default();
        let settle = |waiters: &Arc<Waiters>| {
            let targets = look(&session, std::slice::from_ref(waiters));
            tell_all(&session, &targets, &told(0, 5));
            targets.len()
        };
        assert_eq!(settle(&old), 1);
        old.wake_all();
        assert_eq!(settle(&new), 1, "its end is news");
        old.readable(1);
        assert_eq!(settle(&new), 0, "nobody listens to the old one");
        new.readable(1);
        assert_eq!(settle(&new), 1);
    }

    #[test]
    fn the_order_is_kept_over_changes() {
        let cache = FetchSessions::new(10);
        let id = open(&cache, 4, false, 0);
        let partitions: Vec<Arc<Waiters>> = (0..8).map(|_| Arc::default()).collect();
        let first = session(&cache, id, 1);
        let targets = look(&first, &partitions);
        tell_all(&first, &targets[..2], &told(9, 5));
        let more = vec![wanted(7), wanted(2)];
        let forgotten = [(TopicKey::Name("t".into()), 3)];
        match cache.context((id, 2), false, more, &forgotten, Duration::ZERO) {
            Context::Incremental { session, .. } => assert_eq!(numbers(&look(&session, &partitions)), [2, 0, 1, 7]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_without_partitions_is_closed() {
        let cache = FetchSessions::new(10);
        let id = open(&cache, 1, false, 0);
        let forgotten = [(TopicKey::Name("t".into()), 0)];
        let context = cache.context((id, 1), false, vec![], &forgotten, Duration::ZERO);
        assert!(matches!(context, Context::Sessionless(wanted) if wanted.is_empty()));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_full_cache_evicts_as_kafka_does() {
        let cache = FetchSessions::new(2);
        assert!(open(&cache, 2, false, 0) > 0);
        assert!(open(&cache, 2, false, 0) > 0);
        assert_eq!(open(&cache, 3, false, 10), NO_SESSION, "nothing is old enough");
        assert!(open(&cache, 1, true, 10) > 0, "a follower pushes a consumer out at once");
        assert!(open(&cache, 3, false, 200) > 0, "stale ones go");
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.open(vec![], false, false, Duration::ZERO, || 1), NO_SESSION, "nothing to remember");
    }

    #[test]
    fn epochs_wrap_to_one() {
        assert_eq!([next_epoch(0), next_epoch(5), next_epoch(i32::MAX), next_epoch(-1)], [1, 6, 1, -1]);
    }
}
