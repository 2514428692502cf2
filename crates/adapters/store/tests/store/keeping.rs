//! What is written is read back, is bounded, and survives being closed.

use crate::samples::{commit, entry, new_revision, shop, status};
use sluice_model::plan::Strategy;
use sluice_model::report::CommandAnswer;
use sluice_model::status::Warned;
use sluice_model::{
    CommandId, CommandKind, CommandOutcome, EffectId, EffectOutcome, RevisionNumber, Rollout,
    RolloutId, RolloutState, ServiceStatus, Timestamp,
};
use sluice_store::{
    COMMANDS_ANSWERED_KEPT, COMMANDS_PENDING_MAX, EFFECT_ROLLOUTS_KEPT, LOG_PAGE_MAX, LogQuery,
    Note, Store, StoreError, Transition,
};
use std::collections::BTreeSet;

const NOW: Timestamp = Timestamp(1_795_273_567_089);

fn with_rollout(number: u64, target: u32) -> ServiceStatus {
    let mut status = status(NOW.0);
    status.rollout = Some(Rollout {
        id: RolloutId(number),
        target: RevisionNumber(target),
        strategy: Strategy::Canary,
        steps: 4,
        fast: false,
        actor: "rosa".to_owned(),
        started_at: NOW,
        moved_at: NOW,
        state: RolloutState::Promoted { at: NOW },
        traffic_step: None,
        traffic_since: None,
        restarts_before: 0,
        closing: None,
        pause: None,
        held_ms: 0,
        attempt: 1,
        warned: Warned::default(),
    });
    status
}

fn commit_status(store: &Store, status: &ServiceStatus, answers: &[CommandAnswer]) {
    store
        .commit(&Transition {
            status,
            entries: &[],
            answers,
            at: NOW,
        })
        .unwrap();
}

#[test]
fn a_transition_is_read_back_whole_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let status = with_rollout(7, 2);
    {
        let store = Store::open(folder.path()).unwrap();
        let id = store
            .add_command(&shop(), "rosa", CommandKind::Resume, NOW)
            .unwrap();
        let answers = [CommandAnswer {
            id,
            outcome: CommandOutcome::Accepted,
        }];
        let entries = [entry("first"), entry("second")];
        let written = store
            .commit(&Transition {
                status: &status,
                entries: &entries,
                answers: &answers,
                at: NOW,
            })
            .unwrap();
        assert_eq!(written, 1..3);
        assert_eq!(store.statuses().unwrap().len(), 1, "before the restart");
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.statuses().unwrap(), std::slice::from_ref(&status));
    assert_eq!(store.status(&shop()).unwrap(), Some(status));
    assert_eq!(
        store.answer(&shop(), CommandId(1)).unwrap(),
        Some(CommandOutcome::Accepted)
    );
    let log = store.log(&LogQuery::default()).unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(log[1].report(), Some(entry("second")));
    assert_eq!(
        (log[1].rule.as_str(), log[1].actor.as_deref()),
        ("stepEntered", Some("rosa"))
    );
    assert_eq!(
        (log[1].seq, log[1].at, log[1].prev_hash),
        (2, NOW, log[0].hash)
    );
    assert_eq!(store.log_head().unwrap().hash, log[1].hash);
}

#[test]
fn a_service_with_revisions_but_no_decision_has_no_status() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.create_revision(new_revision("aa")).unwrap();
    assert_eq!(store.statuses().unwrap(), []);
    assert_eq!(store.status(&shop()).unwrap(), None);
}

#[test]
fn revision_numbers_rise_and_are_never_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let store = store.clone();
            std::thread::spawn(move || {
                (0..5)
                    .map(|n| {
                        let digest = format!("{worker}-{n}");
                        store
                            .create_revision(new_revision(&digest))
                            .unwrap()
                            .number
                            .0
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut numbers: Vec<_> = workers
        .into_iter()
        .flat_map(|worker| worker.join().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());

    let dropped = store.prune_revisions(&shop(), &BTreeSet::new(), 0).unwrap();
    assert_eq!(dropped.len(), 20);
    assert_eq!(
        store.create_revision(new_revision("new")).unwrap().number,
        RevisionNumber(21)
    );
}

#[test]
fn a_revision_is_found_by_number_and_by_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let first = store.create_revision(new_revision("aa")).unwrap();
    let second = store.create_revision(new_revision("bb")).unwrap();
    let third = store.create_revision(new_revision("aa")).unwrap();
    assert_eq!(
        store.revision(&shop(), RevisionNumber(2)).unwrap(),
        Some(second.clone())
    );
    assert_eq!(store.revision(&shop(), RevisionNumber(9)).unwrap(), None);
    assert_eq!(
        store.revision_by_digest(&shop(), "aa").unwrap(),
        Some(third.clone())
    );
    assert_eq!(store.revision_by_digest(&shop(), "cc").unwrap(), None);
    assert_eq!(store.revisions(&shop()).unwrap(), [first, second, third]);
}

#[test]
fn pruning_never_drops_a_revision_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for number in 1..=10 {
        store
            .create_revision(new_revision(&format!("{number}")))
            .unwrap();
    }
    // Stable 1 and kept 2 (see the samples), an ended rollout to 3, last former 4, before it 5.
    let mut status = with_rollout(1, 3);
    status.former = vec![RevisionNumber(4), RevisionNumber(5)];
    commit_status(&store, &status, &[]);
    let deploy = CommandKind::Deploy {
        revision: RevisionNumber(6),
    };
    store.add_command(&shop(), "rosa", deploy, NOW).unwrap();

    let keep = BTreeSet::from([RevisionNumber(7)]);
    let dropped = store.prune_revisions(&shop(), &keep, 2).unwrap();
    assert_eq!(dropped, [RevisionNumber(5), RevisionNumber(8)]);
    let left: Vec<_> = store
        .revisions(&shop())
        .unwrap()
        .iter()
        .map(|r| r.number.0)
        .collect();
    assert_eq!(left, [1, 2, 3, 4, 6, 7, 9, 10]);
}

#[test]
fn a_command_waits_until_it_is_answered_and_keeps_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let pause = CommandKind::Pause {
        reason: Some("lunch".to_owned()),
    };
    let first = store
        .add_command(&shop(), "rosa", pause.clone(), NOW)
        .unwrap();
    let second = store
        .add_command(&shop(), "lee", CommandKind::Resume, NOW)
        .unwrap();
    assert!(second > first);

    let waiting = store.pending_commands(&shop(), CommandId(0)).unwrap();
    assert_eq!(
        waiting.iter().map(|c| c.id).collect::<Vec<_>>(),
        [first, second]
    );
    assert_eq!(
        (waiting[0].actor.as_str(), &waiting[0].kind),
        ("rosa", &pause)
    );
    assert_eq!(store.pending_commands(&shop(), first).unwrap().len(), 1);
    assert_eq!(store.answer(&shop(), first).unwrap(), None);

    let refused = CommandOutcome::Refused {
        message: "nothing to pause".to_owned(),
    };
    let answer = |outcome: &CommandOutcome| CommandAnswer {
        id: first,
        outcome: outcome.clone(),
    };
    commit_status(&store, &status(1), &[answer(&refused)]);
    commit_status(&store, &status(2), &[answer(&CommandOutcome::Accepted)]);
    assert_eq!(store.answer(&shop(), first).unwrap(), Some(refused));
    let waiting = store.pending_commands(&shop(), CommandId(0)).unwrap();
    assert_eq!(waiting.iter().map(|c| c.id).collect::<Vec<_>>(), [second]);
}

#[test]
fn the_inbox_is_bounded_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let send = || store.add_command(&shop(), "rosa", CommandKind::Resume, NOW);
    for _ in 0..COMMANDS_PENDING_MAX {
        send().unwrap();
    }
    let error = send().unwrap_err();
    assert!(matches!(error, StoreError::InboxFull { .. }), "{error}");
    assert!(
        error.to_string().contains("wait until they are answered"),
        "{error}"
    );
    let answer = CommandAnswer {
        id: CommandId(1),
        outcome: CommandOutcome::Accepted,
    };
    commit_status(&store, &status(1), &[answer]);
    assert_eq!(send().unwrap(), CommandId(COMMANDS_PENDING_MAX + 1));
}

#[test]
fn answers_are_kept_for_a_bounded_number_of_commands() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let waiting = store
        .add_command(&shop(), "rosa", CommandKind::Retry, NOW)
        .unwrap();
    for _ in 0..=COMMANDS_ANSWERED_KEPT {
        let id = store
            .add_command(&shop(), "rosa", CommandKind::Resume, NOW)
            .unwrap();
        let answer = CommandAnswer {
            id,
            outcome: CommandOutcome::Accepted,
        };
        commit_status(&store, &status(1), &[answer]);
    }
    assert_eq!(
        store.answer(&shop(), CommandId(2)).unwrap(),
        None,
        "old answers go"
    );
    assert_eq!(
        store.answer(&shop(), CommandId(3)).unwrap(),
        Some(CommandOutcome::Accepted)
    );
    let pending = store.pending_commands(&shop(), CommandId(0)).unwrap();
    assert_eq!(
        pending.iter().map(|c| c.id).collect::<Vec<_>>(),
        [waiting],
        "never unanswered"
    );
}

#[test]
fn an_effect_keeps_its_first_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let id = EffectId("shop/1/before/0/1".to_owned());
    let failed = EffectOutcome::Failed {
        message: "exit code 3".to_owned(),
    };
    let outcome = |store: &Store| store.effects(&shop(), "shop/1/").unwrap().remove(&id);
    {
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(outcome(&store), None);
        store.effect_started(&shop(), &id, NOW).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(
        outcome(&store),
        Some(EffectOutcome::Running),
        "it may have run"
    );
    store.effect_finished(&shop(), &id, &failed, NOW).unwrap();
    store
        .effect_finished(&shop(), &id, &EffectOutcome::Succeeded, NOW)
        .unwrap();
    store.effect_started(&shop(), &id, NOW).unwrap();
    assert_eq!(outcome(&store), Some(failed));
    assert_eq!(store.effects(&shop(), "shop/10/").unwrap().len(), 0);
    assert_eq!(store.effects(&shop(), "").unwrap().len(), 1);
}

#[test]
fn effects_go_with_their_old_rollouts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for rollout in 1..=10 {
        commit_status(&store, &with_rollout(rollout, 2), &[]);
        let id = EffectId(format!("shop/{rollout}/start"));
        store
            .effect_finished(&shop(), &id, &EffectOutcome::Succeeded, NOW)
            .unwrap();
    }
    let kept: Vec<_> = store
        .effects(&shop(), "")
        .unwrap()
        .into_keys()
        .map(|id| id.0)
        .collect();
    let expected: BTreeSet<_> = (10 - EFFECT_ROLLOUTS_KEPT..=10)
        .map(|rollout| format!("shop/{rollout}/start"))
        .collect();
    assert_eq!(kept, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_log_is_read_forwards_backwards_and_by_service_in_bounded_pages() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let note = Note {
        rule: "started".to_owned(),
        message: "Sluice came up".to_owned(),
        actor: None,
        details: Some(serde_json::json!({"version": "1.2.3"})),
    };
    assert_eq!(store.append(None, &note, NOW).unwrap(), 1);
    let messages: Vec<String> = (2..=LOG_PAGE_MAX + 1)
        .map(|n| format!("entry {n}"))
        .collect();
    commit(
        &store,
        1,
        &messages.iter().map(String::as_str).collect::<Vec<_>>(),
    );

    let seqs = |query: LogQuery| -> Vec<u64> {
        store
            .log(&query)
            .unwrap()
            .iter()
            .map(|entry| entry.seq)
            .collect()
    };
    let page = u64::from(LOG_PAGE_MAX);
    assert_eq!(seqs(LogQuery::default()), (1..=page).collect::<Vec<_>>());
    assert_eq!(
        seqs(LogQuery {
            since_seq: page - 1,
            limit: u32::MAX,
            ..LogQuery::default()
        }),
        [page, page + 1]
    );
    assert_eq!(
        seqs(LogQuery {
            limit: 2,
            newest_first: true,
            ..LogQuery::default()
        }),
        [page + 1, page]
    );
    let of_shop = LogQuery {
        service: Some(shop()),
        limit: 2,
        ..LogQuery::default()
    };
    assert_eq!(seqs(of_shop.clone()), [2, 3]);
    assert_eq!(
        seqs(LogQuery {
            newest_first: true,
            since_seq: page,
            ..of_shop
        }),
        [page + 1]
    );
    let first = &store
        .log(&LogQuery {
            limit: 1,
            ..LogQuery::default()
        })
        .unwrap()[0];
    assert_eq!(
        (first.service.clone(), first.note(), first.report()),
        (None, Some(note), None)
    );
    assert_eq!(store.verify().unwrap().entries, page + 1);
}

#[test]
fn small_values_are_remembered_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.meta_get("boot").unwrap(), None);
    store.meta_set("boot", "one").unwrap();
    store.meta_set("boot", "two").unwrap();
    assert_eq!(store.meta_get("boot").unwrap().as_deref(), Some("two"));
}

#[test]
fn what_an_earlier_version_counted_is_left_and_counted_anew() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Books {
        users: bool,
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let earlier = serde_json::json!({"requests": 7});
    store.save_ledger(&shop(), Some(&earlier)).unwrap();
    assert_eq!(store.ledger::<Books>(&shop()).unwrap(), None);
    let anew = Books { users: true };
    store.save_ledger(&shop(), Some(&anew)).unwrap();
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.ledger::<Books>(&shop()).unwrap(), Some(anew));
    store.save_ledger::<Books>(&shop(), None).unwrap();
    assert_eq!(store.ledger::<Books>(&shop()).unwrap(), None);
}
