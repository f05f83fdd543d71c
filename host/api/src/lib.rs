//! The HTTP API: Airflow's v2 and what Airflow lacks.
