//! The derive macro behind wire's message declarations.
