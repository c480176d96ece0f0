package natsd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/tapedeck/tapedeck/internal/stream"
)

// ErrNoUser says that there is no subscriber of that name.
var ErrNoUser = errors.New("no such subscriber")

// A userRequest is what the admin socket takes, one per connection, as JSON.
type userRequest struct {
	Verb string `json:"verb"` // add or remove
	Name string `json:"name"`
}

type userReply struct {
	Password string `json:"password,omitempty"`
	Error    string `json:"error,omitempty"`
	NoUser   bool   `json:"no_user,omitempty"`
}

// AddUser makes the NATS user sub-NAME of a subscriber, with the permissions
// of stream.SubscriberPermissions, and returns its password: a new one each
// time, so that a lost password is replaced by adding again. It works on the
// running server of dataDir, without disturbing other clients, or on its files
// while none runs.
func AddUser(dataDir, name string) (password string, err error) {
	return changeUser(dataDir, userRequest{Verb: "add", Name: name})
}

// RemoveUser removes the user of a subscriber and ends its connections; ErrNoUser
// if there is none. Its durable is removed by stream.RemoveSubscriber.
func RemoveUser(dataDir, name string) error {
	_, err := changeUser(dataDir, userRequest{Verb: "remove", Name: name})
	return err
}

// Users lists the names of the subscribers that have a user.
func Users(dataDir string) ([]string, error) {
	users, err := loadUsers(pathsOf(dataDir).users)
	if err != nil {
		return nil, fmt.Errorf("listing the subscribers' users: %w", err)
	}
	return slices.Sorted(maps.Keys(users)), nil
}

func changeUser(dataDir string, req userRequest) (string, error) {
	p := pathsOf(dataDir)
	password, err := askServer(p.admin, req)
	if !errors.Is(err, ErrNotRunning) {
		return password, err
	}
	if err := p.prepare(); err != nil {
		return "", fmt.Errorf("changing subscriber %s: %w", req.Name, err)
	}
	lock, err := lockFile(p.lock)
	if err != nil {
		return "", fmt.Errorf("changing subscriber %s: %w", req.Name, err)
	}
	defer unlockFile(lock)
	return editUsers(p.users, req)
}

// AddUser is the function AddUser for the process that runs the server.
func (s *Server) AddUser(name string) (password string, err error) {
	return s.changeUser(userRequest{Verb: "add", Name: name})
}

// RemoveUser is the function RemoveUser for the process that runs the server.
func (s *Server) RemoveUser(name string) error {
	_, err := s.changeUser(userRequest{Verb: "remove", Name: name})
	return err
}

func (s *Server) changeUser(req userRequest) (string, error) {
	s.usersMu.Lock()
	defer s.usersMu.Unlock()
	password, err := editUsers(s.paths.users, req)
	if err != nil {
		return "", err
	}
	return password, s.reload()
}

// editUsers changes the file of users.
func editUsers(path string, req userRequest) (password string, err error) {
	if err := stream.CheckSubscriberName(req.Name); err != nil {
		return "", err
	}
	users, err := loadUsers(path)
	if err != nil {
		return "", err
	}
	switch req.Verb {
	case "add":
		password = newPassword()
		users[req.Name] = password
	case "remove":
		if users[req.Name] == "" {
			return "", fmt.Errorf("removing %s: %w", req.Name, ErrNoUser)
		}
		delete(users, req.Name)
	default:
		return "", fmt.Errorf("unknown verb %.16q", req.Verb)
	}
	return password, writeJSON(path, users)
}

// serveUsers answers one request on the admin socket.
func (s *Server) serveUsers(conn net.Conn) {
	if err := conn.SetDeadline(time.Now().Add(adminTimeout)); err != nil {
		return
	}
	var req userRequest
	var reply userReply
	err := json.NewDecoder(io.LimitReader(conn, maxAdminBytes)).Decode(&req)
	if err == nil {
		reply.Password, err = s.changeUser(req)
	}
	if err != nil {
		reply = userReply{Error: err.Error(), NoUser: errors.Is(err, ErrNoUser)}
	}
	if err := json.NewEncoder(conn).Encode(reply); err != nil {
		s.cfg.Logger.Warn("a request for a subscriber's user was not answered", "err", err)
	}
}

func askServer(socket string, req userRequest) (string, error) {
	conn, err := dialer(socket).InProcessConn()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(adminTimeout)); err != nil {
		return "", err
	}
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return "", fmt.Errorf("asking the NATS server to %s %s: %w", req.Verb, req.Name, err)
	}
	var reply userReply
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		return "", fmt.Errorf("asking the NATS server to %s %s: %w", req.Verb, req.Name, err)
	}
	switch {
	case reply.NoUser:
		return "", fmt.Errorf("removing %s: %w", req.Name, ErrNoUser)
	case reply.Error != "":
		return "", fmt.Errorf("asking the NATS server to %s %s: %s", req.Verb, req.Name, reply.Error)
	}
	return reply.Password, nil
}
