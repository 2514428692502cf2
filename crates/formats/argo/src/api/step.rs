//! The steps of a canary.

use super::canary::{AnalysisRunArgument, DryRun, RolloutAnalysis};
use super::experiment::TemplateService;
use super::object::{LabelSelector, PodTemplateMetadata};
use super::scalar::{DurationText, IntOrString, RawObject, go_duration_ns};
use super::traffic::StringMatch;
use std::collections::BTreeMap;

wire! {
    /// One step; exactly one of the fields.
    CanaryStep {
        optional {
            /// The canary's share of the traffic, or of the pods.
            set_weight: Option<i32>,
            /// Waits.
            pause: Option<RolloutPause>,
            /// Runs an experiment.
            experiment: Option<RolloutExperimentStep>,
            /// Runs an analysis and waits for its end.
            analysis: Option<RolloutAnalysis>,
            /// The canary's number of pods, apart from its share of the traffic.
            set_canary_scale: Option<SetCanaryScale>,
            /// Sends requests with certain headers to the canary.
            set_header_route: Option<SetHeaderRoute>,
            /// Sends copies of requests to the canary.
            set_mirror_route: Option<SetMirrorRoute>,
            /// Runs a plugin.
            plugin: Option<PluginStep>,
        }
    }

    /// A wait.
    RolloutPause {
        optional {
            /// How long: seconds as a number or a text, or a duration as `10m`; until somebody promotes when
            /// absent.
            duration: Option<IntOrString>,
        }
    }

    /// A plugin and its configuration.
    PluginStep {
        required {
            /// The plugin.
            name: String,
        }
        optional {
            /// Its configuration.
            config: RawObject,
        }
    }

    /// The canary's number of pods; one of the fields.
    SetCanaryScale {
        optional {
            /// As a share of the replicas.
            weight: Option<i32>,
            /// As a number.
            replicas: Option<i32>,
            /// As many as the traffic needs again.
            match_traffic_weight: bool,
        }
    }

    /// Sends requests with certain headers to the canary.
    SetHeaderRoute {
        optional {
            /// The route; one of managedRoutes.
            name: String,
            /// The headers; the route is removed when there are none.
            #[serde(rename = "match")]
            matches: Vec<HeaderRoutingMatch>,
        }
    }

    /// A header and its value.
    HeaderRoutingMatch {
        required {
            /// The header.
            header_name: String,
            /// What its value must be.
            header_value: Option<StringMatch>,
        }
    }

    /// Sends copies of requests to the canary.
    SetMirrorRoute {
        required {
            /// The route; one of managedRoutes.
            name: String,
        }
        optional {
            /// Which requests; the route is removed when there are none.
            #[serde(rename = "match")]
            matches: Vec<RouteMatch>,
            /// Which share of them, in percent; all when absent.
            percentage: Option<i32>,
        }
    }

    /// Which requests are copied; all conditions must hold.
    RouteMatch {
        optional {
            /// The HTTP method.
            method: Option<StringMatch>,
            /// The path.
            path: Option<StringMatch>,
            /// Headers.
            headers: BTreeMap<String, StringMatch>,
        }
    }

    /// Runs an experiment as a step.
    RolloutExperimentStep {
        required {
            /// What runs side by side.
            templates: Vec<RolloutExperimentTemplate>,
        }
        optional {
            /// How long, as `10m`; until its analyses end when absent.
            duration: DurationText,
            /// Analyses of the experiment.
            analyses: Vec<RolloutExperimentAnalysis>,
            /// Metrics that are measured without consequences.
            dry_run: Vec<DryRun>,
            /// Labels and annotations of the AnalysisRuns.
            analysis_run_metadata: PodTemplateMetadata,
            /// Seconds for which its pods stay after its end.
            scale_down_delay_seconds: Option<i32>,
        }
    }

    /// One of the sides of an experiment.
    RolloutExperimentTemplate {
        required {
            /// The side's name.
            name: String,
            /// Whose pod template it runs: `stable` or `canary`.
            spec_ref: String,
        }
        optional {
            /// Number of pods; 1 when absent.
            replicas: Option<i32>,
            /// Further labels and annotations of its pods.
            metadata: PodTemplateMetadata,
            /// Which pods belong to it; those of the Rollout when absent.
            selector: Option<LabelSelector>,
            /// Its share of the traffic, in percent.
            weight: Option<i32>,
            /// A Service of its own.
            service: Option<TemplateService>,
        }
    }

    /// An analysis of an experiment that is a step.
    RolloutExperimentAnalysis {
        required {
            /// Its name within the experiment.
            name: String,
            /// The template.
            template_name: String,
        }
        optional {
            /// Whether that is a ClusterAnalysisTemplate.
            cluster_scope: Option<bool>,
            /// Values for the template's arguments.
            args: Vec<AnalysisRunArgument>,
            /// Whether the experiment waits for its end.
            required_for_completion: bool,
        }
    }
}

impl RolloutPause {
    /// The seconds of the pause; `None` when it waits for a promotion. A fraction of a second is cut off.
    ///
    /// # Errors
    /// A sentence when the text is neither a number of seconds nor a duration.
    pub fn seconds(&self) -> Result<Option<i32>, String> {
        let text = match &self.duration {
            None => return Ok(None),
            Some(IntOrString::Int(seconds)) => return Ok(Some(*seconds)),
            Some(IntOrString::String(text)) => text,
        };
        if let Ok(seconds) = text.parse::<i32>() {
            return Ok(Some(seconds));
        }
        let seconds = go_duration_ns(text)? / 1_000_000_000;
        i32::try_from(seconds)
            .map(Some)
            .map_err(|_| format!("`{text}` is longer than Argo can count"))
    }
}

impl CanaryStep {
    /// The names of the fields that are set; a sound step has one.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        [
            ("setWeight", self.set_weight.is_some()),
            ("pause", self.pause.is_some()),
            ("experiment", self.experiment.is_some()),
            ("analysis", self.analysis.is_some()),
            ("setCanaryScale", self.set_canary_scale.is_some()),
            ("setHeaderRoute", self.set_header_route.is_some()),
            ("setMirrorRoute", self.set_mirror_route.is_some()),
            ("plugin", self.plugin.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect()
    }
}
