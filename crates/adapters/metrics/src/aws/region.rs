//! Regions, and the host names that follow from them.

use super::error::AwsError;

/// Longest name that is taken for a region's, in bytes: the longest label of a host name.
const REGION_BYTES_MAX: usize = 63;

/// The domains of services outside of the partition `aws`, by how the names of their regions begin.
/// Source: `partitions.json`, as AWS' libraries carry it.
const DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
];

/// A region, as in `eu-central-1`. It is part of host names, so that no other characters may be in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsRegion(String);

impl AwsRegion {
    /// The region of this name.
    ///
    /// # Errors
    /// No region can be called so.
    pub fn parse(name: &str) -> Result<AwsRegion, AwsError> {
        let is_inner =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = (1..=REGION_BYTES_MAX).contains(&name.len())
            && name.bytes().all(is_inner)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if is_label {
            return Ok(AwsRegion(name.to_owned()));
        }
        Err(AwsError::new(
            format!("`{}` is no AWS region", name.escape_debug()),
            "name one as in `eu-central-1`",
        ))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host of a service in this region.
    pub(super) fn host(&self, service: &str) -> String {
        let domain = DOMAINS
            .iter()
            .find(|(start, _)| self.0.starts_with(start))
            .map_or("amazonaws.com", |(_, domain)| domain);
        format!("{service}.{}.{domain}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_in_its_regions_partition() {
        for (region, host) in [
            ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            let region = AwsRegion::parse(region).expect(region);
            assert_eq!(region.host("sts"), host);
        }
    }

    /// The region comes from whoever writes an AnalysisTemplate, and a token is sent to the host.
    #[test]
    fn a_region_cannot_lead_a_token_to_another_host() {
        for name in [
            "",
            "evil.example/",
            "a@evil.example",
            "eu_1",
            "EU-CENTRAL-1",
            "-eu",
            "eu-",
        ] {
            let error = AwsRegion::parse(name).expect_err(name);
            assert!(error.to_string().contains("`eu-central-1`"), "{error}");
        }
    }
}
