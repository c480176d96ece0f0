package stream

import (
	"fmt"
	"strings"
)

// The lines of nats.conf between which the users of the roles are generated,
// and the one that stands where subscribers' users go.
const (
	ConfBegin       = "    # begin generated: the users of the roles (go test ./internal/stream -run TestConf -update)\n"
	ConfEnd         = "    # end generated\n"
	ConfSubscribers = "    # subscribers: paste here what `tapedeck subscriber add` prints\n"
)

// StoreVariable is the variable of nats.conf that holds the directory of the
// streams.
const StoreVariable = "TAPEDECK_NATS_STORE_DIR"

// PasswordVariable is the environment variable, and the variable of nats.conf,
// that holds a role's password.
func PasswordVariable(role Role) string {
	return "TAPEDECK_NATS_" + strings.ToUpper(string(role)) + "_PASSWORD"
}

// ConfUsers is the generated block of nats.conf: the user of each role, with
// its password from a variable.
func ConfUsers() string {
	var b strings.Builder
	for _, role := range Roles() {
		b.WriteString(userBlock(string(role), "$"+PasswordVariable(role), RolePermissions(role)))
	}
	return b.String()
}

// SubscriberUser is the user of a subscriber as it stands in nats.conf, in the
// list of users: to paste into the configuration of an external server.
func SubscriberUser(name, password string) string {
	return userBlock(SubscriberConsumer(name), fmt.Sprintf("%q", password), SubscriberPermissions(name))
}

// userBlock writes one entry of the users list. Subjects hold no quote and no
// backslash, so %q writes what the server reads.
func userBlock(user, password string, p Permissions) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    {\n      user: %q, password: %s\n      permissions: {\n", user, password)
	if len(p.PublishDeny) == 0 {
		fmt.Fprintf(&b, "        publish: %s\n", subjectList(p.Publish))
	} else {
		fmt.Fprintf(&b, "        publish: {\n          allow: %s\n          deny: %s\n        }\n", subjectList(p.Publish), subjectList(p.PublishDeny))
	}
	fmt.Fprintf(&b, "        subscribe: %s\n      }\n    }\n", subjectList(p.Subscribe))
	return b.String()
}

func subjectList(subjects []string) string {
	var b strings.Builder
	b.WriteString("[")
	for _, s := range subjects {
		fmt.Fprintf(&b, "\n            %q", s)
	}
	b.WriteString("\n          ]")
	return b.String()
}
