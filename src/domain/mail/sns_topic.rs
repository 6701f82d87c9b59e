//! The Amazon SNS topic that Amazon SES publishes to, identified by its ARN.

use url::Url;

/// An SNS topic and the SNS host of its region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    pub arn: String,
    host: String,
}

impl Topic {
    /// Parses `arn:aws:sns:REGION:ACCOUNT:NAME`. The partition may also be `aws-us-gov` or `aws-cn`.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let [prefix, partition, service, region, account, name] = arn.split(':').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let top = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return None,
        };
        let good = prefix == "arn"
            && service == "sns"
            && !region.is_empty()
            && region.bytes().all(is_label)
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && !name.is_empty();
        good.then(|| Self { arn: arn.to_owned(), host: format!("sns.{region}.{top}") })
    }

    /// Whether a URL is an `https` URL of the SNS host in this topic's region, without user and port.
    #[must_use]
    pub fn is_amazon(&self, url: &Url) -> bool {
        url.scheme() == "https"
            && url.host_str() == Some(&self.host)
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    }
}
