package reactor

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const listenBacklog = 4096

// sockaddr turns a host:port into what the system calls take. An empty host is every address of this machine.
func sockaddr(address string) (unix.Sockaddr, int, netip.AddrPort, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, 0, netip.AddrPort{}, err
	}
	if resolved.IP == nil {
		resolved.IP = net.IPv6unspecified
		if !hasIPv6() {
			resolved.IP = net.IPv4zero
		}
	}
	place := resolved.AddrPort()
	place = netip.AddrPortFrom(place.Addr().Unmap(), place.Port())
	if place.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(place.Port()), Addr: place.Addr().As4()}, unix.AF_INET, place, nil
	}
	return &unix.SockaddrInet6{Port: int(place.Port()), Addr: place.Addr().As16()}, unix.AF_INET6, place, nil
}

func hasIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func placeOf(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

func (l *Loop) listen(address string) error {
	sa, family, _, err := sockaddr(address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l.listener = fd
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return err
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return err
	}
	if err := unix.Listen(fd, listenBacklog); err != nil {
		return err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	l.address = net.TCPAddrFromAddrPort(placeOf(bound))
	return l.watch(fd, aboutListener)
}

// accept takes what waits at the listener, so many at a time that connections already open are not held up.
func (l *Loop) accept() {
	for range acceptsPerTurn {
		if l.listener < 0 {
			return // a handler has stopped accepting
		}
		fd, peer, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			l.admit(fd, placeOf(peer))
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
		default:
			l.pauseAccepting(err)
			return
		}
	}
}

// admit gives an accepted socket a slot.
func (l *Loop) admit(fd int, remote netip.AddrPort) {
	c, err := l.take(fd)
	if err != nil {
		_ = unix.Close(fd)
		l.refused(err)
		return
	}
	c.Remote = remote
	if err := l.tune(fd); err == nil {
		err = c.begin(stateOpen)
		if err == nil {
			c.opened()
			return
		}
	}
	_ = unix.Close(fd)
	l.release(c)
	l.refused(err)
}

func (l *Loop) refused(why error) {
	if l.options.Refused != nil {
		l.options.Refused(why)
	}
}

// pauseAccepting rests after the system had nothing left for another connection: the listener stays ready, and a loop that went on
// watching it would spin.
func (l *Loop) pauseAccepting(why error) {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, l.listener, &unix.EpollEvent{Fd: aboutListener})
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(l.options.AcceptPause))}
	_ = unix.TimerfdSettime(l.timer, 0, &once, nil)
	l.refused(why)
}

func (l *Loop) resumeAccepting() {
	if l.listener >= 0 {
		_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, l.listener, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: aboutListener})
	}
}

// StopAccepting closes the listener; connections go on.
func (l *Loop) StopAccepting() {
	if l.listener >= 0 {
		_ = unix.Close(l.listener)
		l.listener = -1
	}
}

// Dial starts a connection to address. Opened is called when it stands, Closed with the reason when it cannot be made; what is appended
// meanwhile leaves first.
func (l *Loop) Dial(address string) (*Conn, error) {
	sa, family, place, err := sockaddr(address)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	c, err := l.take(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	c.Remote = place
	if err = l.tune(fd); err == nil {
		if err = unix.Connect(fd, sa); err == nil || err == unix.EINPROGRESS {
			if err = c.begin(stateConnecting); err == nil {
				return c, nil
			}
		}
	}
	_ = unix.Close(fd)
	l.release(c)
	return nil, fmt.Errorf("dialling %s: %w", address, err)
}

// tune sets what a link of small messages wants: no waiting for fuller segments, and probes that find a dead peer.
func (l *Loop) tune(fd int) error {
	idle := max(1, int(l.options.KeepAlive/time.Second))
	for _, option := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, idle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, idle/3)},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	return nil
}
