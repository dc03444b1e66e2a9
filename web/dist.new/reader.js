// The worker that reads files at addresses that the user typed: the same program as `worker.js`, started by a file of its
// own so that it can be served with a policy of its own. It alone may ask other sites, and no picture of the user's is ever
// handed to it; the other workers are bound by the page's policy.
import "./worker.js";
