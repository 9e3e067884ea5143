//! Stateful fakes of GitHub and PagerDuty on loopback.
