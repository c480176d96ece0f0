// Package pubsub is Watermill's Publisher and Subscriber on JetStream, made
// for work queues of several lanes. The analyzers run on it, and whatever
// consumes events one by one. The recorder does not: Watermill's Router starts
// a goroutine for each message and loses their order, so the recorder reads
// the tape natively, in order and in batches (stream.Tail).
//
// # How a subscriber pulls
//
// A subscription has a number of slots; a message occupies one from its
// delivery to the handler until its ack. AckWait runs from the moment when the
// server sends a message, so a message that waits in a client's buffer is
// redelivered while nobody has touched it. Hence a subscription asks only for
// what it has slots for, in rounds: free slots are dealt to the lanes by
// smooth weighted round robin, one request per lane says "give what there is,
// up to n, and do not wait". Slots of lanes that turn out to be empty are
// dealt again to the others in the next round, so no slot idles while any lane
// has work.
//
// A lane that was found empty is not asked again. It gets one request that
// waits on the server for the next single message, whether or not slots are
// free. So a message for an idle program is delivered in one trip, and the
// first message of a small job arrives while big ones hold all slots; it then
// waits for the next slot to be free, with heartbeats, ahead of or behind the
// other lanes as the weights say. At most one message per lane is held so.
// The requests that wait are never cancelled, because a message could be under
// way to meet the cancellation and would then be lost for an AckWait.
//
// Close asks for nothing more, makes one round trip to learn that nothing is
// under way, gives everything held back at once (nak with the shortest delay), lets
// the running handlers finish within a grace time, and then gives theirs back.
package pubsub
