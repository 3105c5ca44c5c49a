//! The admission webhook: an HTTPS server, its certificates, and the AdmissionReview in and out.
