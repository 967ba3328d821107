"""What have people decided, and who decided it? Tables, queries, and the overlay built from them.

People, devices and (later) list sources, own entries, overrides, review requests and policy versions. Lives in the
catalog database of the control plane; a worker never opens it but reads the overlay this room writes by rename.
"""
