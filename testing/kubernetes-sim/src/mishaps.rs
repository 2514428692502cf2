//! What goes wrong in a run at a moment that chance chooses.

use crate::clock;
use crate::promises::LATE_MS;
use crate::run::Run;
use crate::users;
use crate::weather::Fault;
use crate::world::World;

impl Run {
    /// Something goes wrong, if the weather has it.
    pub(crate) fn mishap(&mut self, now: i64) {
        let at = |span: i64| clock::now().shifted(span);
        let mut world = self.lock();
        let span = world.random.i64(500..=20_000);
        match world.random.u8(..9) {
            0 if world.weather.has(Fault::ServerRestarts) => {
                world.tell(|| format!("the API server is away for {span} ms"));
                world.go_away(at(span));
            }
            1 if world.weather.has(Fault::Conflicts) => {
                world.tell(|| format!("conflicts for {span} ms"));
                world.storm_until = at(span);
            }
            2 if world.weather.has(Fault::StaleWatches) => {
                world.tell(|| format!("controllers hear nothing for {span} ms"));
                for seat in &mut world.seats {
                    seat.deaf_until = at(span);
                }
            }
            3 if world.weather.has(Fault::Crashes) => {
                if let Some(seat) = world.seats.last_mut() {
                    seat.is_dead = true;
                }
                world.tell(|| "the controller is killed".to_owned());
            }
            4 if world.weather.has(Fault::LeaderChanges) && self.old.is_none() => {
                drop(world);
                self.change_leader(now, span);
            }
            5 if world.weather.has(Fault::DeletedObjects) => {
                let missing = users::delete_something(&mut world, now);
                drop(world);
                self.missing.extend(missing);
            }
            6 if world.weather.has(Fault::Quotas) => {
                let quota = world.random.usize(0..=10);
                let limited = world.cluster.quota.is_none();
                world.cluster.quota = limited.then_some(quota);
                world.tell(|| format!("the quota is {:?}", limited.then_some(quota)));
            }
            7 if world.weather.has(Fault::LostPods) => {
                world.tell(|| "pods are lost".to_owned());
                let World {
                    cluster, random, ..
                } = &mut *world;
                cluster.lose(random, clock::now());
            }
            8 if world.weather.has(Fault::RefusedReplicaSets) => {
                world.tell(|| format!("ReplicaSets are refused for {span} ms"));
                world.refuses_until = at(span);
            }
            _ if world.weather.has(Fault::BlindMetrics) => {
                world.tell(|| format!("metrics are away for {span} ms"));
                world.blind_until = at(span);
            }
            _ => {}
        }
    }

    /// Another controller leads; the old one hears nothing, and goes on for a while.
    pub(crate) fn change_leader(&mut self, now: i64, span: i64) {
        let Some(old) = self.leads.take() else { return };
        let mut world = self.lock();
        let until = clock::now().shifted(span);
        world.seats[old.controller].deaf_until = until;
        world.crossing_until = until.shifted(LATE_MS);
        world.promises.reached.takeovers += 1;
        world.tell(|| {
            format!(
                "controller {} loses the lead, and ends after {span} ms",
                old.controller
            )
        });
        drop(world);
        self.old = Some((old, now + span));
        self.start();
    }
}
