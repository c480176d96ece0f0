package api

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// elsewhere reports whether a request may be for another host than the one that
// protect looks at, which is host: a field Host that is not one, a target for a
// proxy or with a fragment, or a target of another host than Host. RFC 9112
// (3.2.2) lets the target win over Host; a client has to make both the same, so
// who does not is refused and nothing has to win.
func elsewhere(h *fasthttp.RequestHeader, host []byte) bool {
	field := h.Host()
	if _, ok := hostName(string(field)); !ok && len(field) > 0 { // without any it is nobody's: see ours
		return true
	}
	// fasthttp unescapes a host, cuts a user off, and takes one from a target that
	// begins with two slashes, as of a page that was rebound to our address.
	if !bytes.EqualFold(host, field) {
		return true
	}
	target := h.RequestURI()
	if bytes.HasPrefix(target, []byte("//")) || bytes.IndexByte(target, '#') >= 0 {
		return true
	}
	if bytes.HasPrefix(target, []byte("/")) {
		return false
	}
	scheme, rest, _ := bytes.Cut(target, []byte("://"))
	if string(scheme) != "http" && string(scheme) != "https" {
		return true
	}
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return !bytes.EqualFold(rest, field)
}

// hostName is the name or address in host[:port] (RFC 3986, 3.2.2), in small
// letters and without brackets. Of names it takes those that a resolver knows:
// no percent, no user, nothing that another program may cut it at.
func hostName(host string) (name string, ok bool) {
	literal := strings.HasPrefix(host, "[")
	if literal {
		name, host, ok = strings.Cut(host[1:], "]")
		address, err := netip.ParseAddr(name)
		if !ok || err != nil || !address.Is6() || address.Zone() != "" {
			return "", false
		}
	} else {
		end := strings.IndexByte(host, ':')
		if end < 0 {
			end = len(host)
		}
		name, host = host[:end], host[end:]
	}
	if host != "" {
		port, found := strings.CutPrefix(host, ":")
		if _, err := strconv.ParseUint(port, 10, 16); !found || err != nil && port != "" { // a port may be empty
			return "", false
		}
	}
	for i := 0; i < len(name) && !literal; i++ {
		switch b := name[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == '_':
		default:
			return "", false
		}
	}
	return strings.ToLower(name), name != ""
}

func localNames(extra []string) map[string]bool {
	names := map[string]bool{"localhost": true}
	for _, name := range extra {
		names[strings.ToLower(name)] = true
	}
	return names
}

// ours reports whether host (with or without a port) is a name or an address
// of this server. An address is ours if the connection came to it: a page
// cannot rebind an address.
func (s *Server) ours(host string, local net.Addr) bool {
	name, ok := hostName(host)
	if !ok {
		return false
	}
	if s.local[name] || s.local[strings.ToLower(host)] {
		return true
	}
	address, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	if address.IsLoopback() {
		return true
	}
	reached, err := netip.ParseAddrPort(local.String())
	return err == nil && reached.Addr().Unmap() == address.Unmap()
}
