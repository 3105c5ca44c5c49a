//! JMESPath in Kyverno's dialect: compiled, evaluated without copying.
