//! What holds whatever happens.

use super::*;
use proptest::prelude::*;

proptest! {
    /// Whatever pods and runs do: it settles, one that has ended stays so and loses its pods, and one
    /// that has not ended never does without.
    #[test]
    fn an_experiment_only_goes_on(
        steps in proptest::collection::vec((0..8_usize, 0..200_i64), 1..40),
        required in any::<bool>(),
        has_duration in any::<bool>(),
    ) {
        let mut spec = json!({"analyses": [analysis("a", required), analysis("b", false)], "progressDeadlineSeconds": 300});
        if has_duration {
            spec["duration"] = json!("5m");
        }
        let mut story = Story::with(&["bar", "baz"], spec);
        story.settle();
        for (what, wait) in steps {
            let before = story.experiment.status.phase.clone();
            match what {
                0 => { story.pods_follow(); }
                1 => if let Some(set) = story.sets.first_mut() { set.status.available_replicas = 0; },
                2 => { story.sets.pop(); }
                3..=5 => {
                    let phase = ["Running", "Successful", "Failed"][what - 3];
                    let open = story.runs.iter_mut().find(|run| !run.status.phase.is_completed());
                    if let Some(run) = open {
                        run.status.phase = AnalysisPhase::from(phase.to_owned());
                    }
                }
                6 if wait > 190 => { story.terminates(); }
                _ => {}
            }
            story.after(wait);
            if before.is_completed() {
                prop_assert_eq!(&before, &story.experiment.status.phase);
            }
        }
        if story.experiment.status.phase.is_completed() {
            story.after(60).pods_follow();
            prop_assert!(story.sets.iter().all(|set| set.desired() == 0));
            prop_assert_eq!(story.wake_at, None);
        }
    }
}
