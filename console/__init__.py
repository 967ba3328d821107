"""The console: where people look and act, in a process of its own, drawn on the server.

The rule: every page goes through one table of who may (`console.roles`), one place that checks sign-in, origin and
forms (`console.app`), and one place that writes looks down before anything is shown (`console.looking`). The room
imports registry, policy, identity, logstore and categories; what a gateway alone can do comes in through
`console.doors`. How to add a page: docs/console.md.
"""
