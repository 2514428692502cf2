//! A router of a piece of traffic: the one entry for all kinds of routers.

use crate::changes::{Changes, Draft, Problem};
use crate::current::Current;
use crate::kinds::{self, Facts};
use crate::object::{ObjectRef, Objects};
use crate::split::{RouteRule, Split, Traffic};
use crate::{Alb, Ambassador, Apisix, AppMesh, Istio, Nginx, Smi, Traefik};

/// A router, and whose traffic it splits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Whose traffic.
    pub traffic: Traffic,
    /// Which router, with its configuration.
    pub means: Means,
}

/// The routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// Istio.
    Istio(Istio),
    /// The AWS load balancer controller.
    Alb(Alb),
    /// The NGINX ingress controller.
    Nginx(Nginx),
    /// Traefik.
    Traefik(Traefik),
    /// APISIX.
    Apisix(Apisix),
    /// Service Mesh Interface.
    Smi(Smi),
    /// AWS App Mesh.
    AppMesh(AppMesh),
    /// Ambassador.
    Ambassador(Ambassador),
}

/// What a router's file says about its objects.
pub(crate) trait Routing {
    /// The objects that are needed, as far as they can be told from those read.
    fn wants(&self, traffic: &Traffic, objects: &Objects) -> Vec<ObjectRef>;

    /// Drafts the writes for a split that the router can express.
    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft);

    /// What the objects say.
    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem>;
}

impl Router {
    /// What this kind of router can do.
    #[must_use]
    pub fn facts(&self) -> &'static Facts {
        match self.means {
            Means::Istio(_) => &kinds::ISTIO,
            Means::Alb(_) => &kinds::ALB,
            Means::Nginx(_) => &kinds::NGINX,
            Means::Traefik(_) => &kinds::TRAEFIK,
            Means::Apisix(_) => &kinds::APISIX,
            Means::Smi(_) => &kinds::SMI,
            Means::AppMesh(_) => &kinds::APP_MESH,
            Means::Ambassador(_) => &kinds::AMBASSADOR,
        }
    }

    /// The objects that are needed, also those that may not exist yet, as far as they can be told from those
    /// that were looked up: one object can name another.
    #[must_use]
    pub fn wants(&self, objects: &Objects) -> Vec<ObjectRef> {
        self.routing().wants(&self.traffic, objects)
    }

    /// An object that is needed and was not looked up yet. Each one that is inserted, there or not, brings the
    /// end nearer: no router needs more than it names, and one behind those.
    #[must_use]
    pub fn missing(&self, objects: &Objects) -> Option<ObjectRef> {
        let mut wanted = self.wants(objects).into_iter();
        wanted.find(|object| !objects.contains(object))
    }

    /// The writes after which the objects express the split. The same split a second time writes nothing.
    #[must_use]
    pub fn apply(&self, objects: &Objects, split: &Split) -> Changes {
        Self::apply_all([(self, split)], objects)
    }

    /// The same for several routers of one owner, one after the other. What stands in the way of one of them
    /// holds an advance of the canary on all.
    #[must_use]
    pub fn apply_all<'a>(
        routers: impl IntoIterator<Item = (&'a Self, &'a Split)>,
        objects: &Objects,
    ) -> Changes {
        let mut draft = Draft::default();
        for (router, split) in routers {
            let split = router.expressible(split, &mut draft);
            router
                .routing()
                .apply(&router.traffic, objects, &split, &mut draft);
        }
        draft.finish()
    }

    /// Which split the objects express now, whoever wrote them.
    ///
    /// # Errors
    /// An object is missing or malformed, or has no route between the two sides.
    pub fn current(&self, objects: &Objects) -> Result<Current, Problem> {
        self.routing().current(&self.traffic, objects)
    }

    fn routing(&self) -> &dyn Routing {
        match &self.means {
            Means::Istio(router) => router,
            Means::Alb(router) => router,
            Means::Nginx(router) => router,
            Means::Traefik(router) => router,
            Means::Apisix(router) => router,
            Means::Smi(router) => router,
            Means::AppMesh(router) => router,
            Means::Ambassador(router) => router,
        }
    }

    /// The split as far as this router can express it; the rest is noted.
    fn expressible(&self, split: &Split, draft: &mut Draft) -> Split {
        let facts = self.facts();
        let mut split = split.clone();
        draft.sound(total(facts, &mut split));
        draft.sound(weights(&split));
        if !facts.additional_weights && !split.additional.is_empty() {
            draft.warnings.push(Problem::asked(
                "additional-weights",
                "",
                format!("{} splits between two sides only", facts.name),
                "further destinations get no traffic here; use a router that has weights for them"
                    .to_owned(),
            ));
            split.additional.clear();
        }
        if split.canary > split.total.saturating_sub(split.additional_weight()) {
            draft.warnings.push(Problem::asked(
                "weights",
                "",
                format!(
                    "the canary's {} and the {} of further destinations are more than {}",
                    split.canary,
                    split.additional_weight(),
                    split.total
                ),
                "the canary gets what the further destinations leave; lower one of them".to_owned(),
            ));
        }
        split.routes.retain(|route| {
            let (can, what) = match route.rule {
                RouteRule::Header(_) => (facts.header_routes, "headers"),
                RouteRule::Mirror { .. } => (facts.mirror_routes, "copies of requests"),
            };
            if !can {
                draft.warnings.push(Problem::asked(
                    "managed-route",
                    &route.name,
                    format!("{} has no routes for {what}", facts.name),
                    "the route is left out here; use a router that has them".to_owned(),
                ));
            }
            can
        });
        let managed = &self.traffic.managed_routes;
        split.routes.retain(|route| {
            let is_managed = managed.contains(&route.name);
            if !is_managed {
                draft.problems(vec![Problem::asked(
                    "managed-route",
                    &route.name,
                    "this route is none of the managed ones".to_owned(),
                    "add its name to them, where its order among the others is seen".to_owned(),
                )]);
            }
            is_managed
        });
        split
    }
}

/// Percent, for routers that know nothing else.
fn total(facts: &Facts, split: &mut Split) -> Result<(), Problem> {
    if split.total == 0 {
        split.canary = 0;
        split.total = 100;
        return Err(Problem::asked(
            "total",
            "",
            "the weight of all traffic is 0".to_owned(),
            "set it to at least 1, as to 100".to_owned(),
        ));
    }
    if facts.any_total || split.total == 100 {
        return Ok(());
    }
    let percent = u64::from(split.canary) * 100 / u64::from(split.total);
    let cause = format!(
        "{} counts in percent, and the weight of all traffic is {}",
        facts.name, split.total
    );
    split.canary = u32::try_from(percent).unwrap_or(100).min(100);
    split.total = 100;
    Err(Problem::asked(
        "total",
        "",
        cause,
        "leave it at 100 where this router is used".to_owned(),
    ))
}

fn weights(split: &Split) -> Result<(), Problem> {
    let additional = split.additional_weight();
    let wrong = if split.canary > split.total {
        format!(
            "the canary's weight {} is above {}",
            split.canary, split.total
        )
    } else if additional > split.total {
        format!(
            "the weights of further destinations are {additional}, which is above {}",
            split.total
        )
    } else {
        return Ok(());
    };
    Err(Problem::asked(
        "weights",
        "",
        wrong,
        format!("lower it to at most {}", split.total),
    ))
}
