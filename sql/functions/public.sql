-- Nobody may do anything unless it was granted: PUBLIC could call every new function otherwise.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
