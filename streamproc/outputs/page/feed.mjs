// The connection to the server: reconnects with the id of the last event, and knows how old the data are.

const SILENT_MS = 4500; // the server says something every 2 s
const LATE_MS = 90_000; // values move once a minute at least
const AGAIN_MS = 2000;

// An address beside the page's; without user and password, which browsers refuse to ask with.
export const here = (path) => new URL(path, location.origin + location.pathname);

export class Feed {
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.lastId = "";
    this.heardAt = 0;
    this.serverAhead = 0;
    this.isOpen = false;
    setInterval(() => this.onState(), 250); // with SILENT_MS less than 5 s
  }

  // Follow a view. Another view's events start anew.
  open(view, window) {
    const query = new URLSearchParams({ view, ...(window ? { window } : {}) }).toString();
    if (query === this.query) return;
    this.query = query;
    this.lastId = "";
    this.connect();
  }

  connect() {
    this.source?.close();
    clearTimeout(this.timer);
    this.triedAt = Date.now();
    const query = this.query;
    const source = new EventSource(here(`events?${query}${this.lastId ? `&last=${this.lastId}` : ""}`));
    this.source = source;
    for (const kind of ["snapshot", "changes"]) {
      source.addEventListener(kind, (event) => {
        const message = JSON.parse(event.data);
        this.lastId = event.lastEventId;
        this.heardAt = Date.now();
        this.serverAhead = message.now_ms - this.heardAt;
        this.isOpen = true;
        this.onMessage(kind, message);
      });
    }
    source.onerror = () => {
      this.isOpen = false;
      this.onState();
      source.close(); // by ourselves, since browsers give up after an answer other than 200
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.connect(), AGAIN_MS);
    };
  }

  // Why the data are stale: "lost" or "late"; "" if they are not.
  stale(asOf, isWallClock) {
    const now = Date.now();
    if (!this.isOpen || now - this.heardAt > SILENT_MS) {
      if (now - Math.max(this.heardAt, this.triedAt) > 30_000) this.connect();
      return "lost";
    }
    return isWallClock && asOf && now + this.serverAhead - Date.parse(asOf) > LATE_MS ? "late" : "";
  }
}
