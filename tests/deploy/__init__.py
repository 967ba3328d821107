"""What is shipped beside the code: units, container file, PAC, Prometheus rules, dashboard."""
