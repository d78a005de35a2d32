//! Incremental fetch sessions (KIP-227): what a fetcher asked for and was told last time, so that it need not repeat
//! the one nor be told the other again. Pure: time and new session ids arrive as arguments.
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

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use wire::ErrorCode;
use zk_paths::ids::{TopicId, TopicName};

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
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    fn new(wanted: Wanted) -> Cached {
        Cached { wanted, high_watermark: -1, log_start_offset: -1 }
    }

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
}

/// One fetcher's session.
#[derive(Debug)]
pub struct Session {
    epoch: i32,
    by_topic_id: bool,
    order: BTreeMap<u64, Cached>,
    places: HashMap<Key, u64>,
    next_place: u64,
}

impl Session {
    fn new(by_topic_id: bool) -> Session {
        let (order, places) = (BTreeMap::new(), HashMap::new());
        Session { epoch: next_epoch(INITIAL_EPOCH), by_topic_id, order, places, next_place: 0 }
    }

    fn want(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        match self.places.get(&key).and_then(|place| self.order.get_mut(place)) {
            Some(cached) => cached.wanted = wanted,
            None => {
                self.places.insert(key, self.next_place);
                self.order.insert(self.next_place, Cached::new(wanted));
                self.next_place += 1;
            }
        }
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        if let Some(place) = self.places.remove(&(topic.clone(), partition)) {
            self.order.remove(&place);
        }
    }

    /// What to answer now, in the session's order.
    pub fn wanted(&self) -> Vec<Wanted> {
        self.order.values().map(|cached| cached.wanted.clone()).collect()
    }

    /// Whether an incremental response carries this partition; remembers what the fetcher now knows.
    pub fn tell(&mut self, topic: &TopicKey, partition: i32, told: &Told) -> bool {
        let key = (topic.clone(), partition);
        let Some(place) = self.places.get_mut(&key) else { return false };
        let Some(cached) = self.order.get_mut(place) else { return false };
        let news = cached.tell(told);
        if news
            && told.records_bytes > 0
            && let Some(cached) = self.order.remove(place)
        {
            *place = self.next_place;
            self.order.insert(self.next_place, cached);
            self.next_place += 1;
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
    /// The next fetch of a session: answer what [`Session::tell`] lets through, with the session's id.
    Incremental {
        /// The session's id.
        id: i32,
        /// The session, to ask after reading.
        session: Arc<Mutex<Session>>,
        /// All of the session's partitions, in its order.
        wanted: Vec<Wanted>,
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
        wanted.into_iter().for_each(|wanted| session.want(wanted));
        if session.order.is_empty() {
            drop(session);
            sessions.remove(&id);
            return Context::Sessionless(Vec::new());
        }
        session.epoch = next_epoch(epoch);
        let wanted = session.wanted();
        drop(session);
        (slot.last_used, slot.partitions) = (now, wanted.len());
        Context::Incremental { id, session: slot.session.clone(), wanted }
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
            let (topic, partition) = (wanted.topic.clone(), wanted.partition);
            session.want(wanted);
            session.tell(&topic, partition, &Told { records_bytes: 0, ..told });
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

/// Locks a session for telling.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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

    fn incremental(cache: &FetchSessions, id: i32, epoch: i32) -> (Arc<Mutex<Session>>, Vec<i32>) {
        match cache.context((id, epoch), false, vec![], &[], Duration::ZERO) {
            Context::Incremental { session, wanted, .. } => {
                (session, wanted.iter().map(|wanted| wanted.partition).collect())
            }
            other => panic!("{other:?}"),
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
        let id = open(&cache, 1, false, 0);
        let (session, _) = incremental(&cache, id, 1);
        let topic = TopicKey::Name("t".into());
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
            assert_eq!(lock(&session).tell(&topic, 0, &told), news, "{why}");
        }
    }

    #[test]
    fn partitions_with_records_go_to_the_end_of_the_order() {
        let cache = FetchSessions::new(10);
        let id = open(&cache, 4, false, 0);
        let (session, order) = incremental(&cache, id, 1);
        assert_eq!(order, [0, 1, 2, 3]);
        for partition in [0, 1] {
            lock(&session).tell(&TopicKey::Name("t".into()), partition, &told(9, 5));
        }
        assert_eq!(incremental(&cache, id, 2).1, [2, 3, 0, 1]);
        let more = vec![wanted(7), wanted(2)];
        let forgotten = [(TopicKey::Name("t".into()), 3)];
        match cache.context((id, 3), false, more, &forgotten, Duration::ZERO) {
            Context::Incremental { wanted, .. } => {
                assert_eq!(wanted.iter().map(|wanted| wanted.partition).collect::<Vec<_>>(), [2, 0, 1, 7]);
            }
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
