// Made by .ci/python-library.py from the standard libraries of Python 2.7, 3.6 and 3.9. Change that file.

/** Names that some of them lack, by module: y or n for 2.7, 3.6 and 3.9. */
export const libraryDifferences = {
  modules: {
    nny: `
asyncio.exceptions asyncio.format_helpers asyncio.runners asyncio.staggered asyncio.threads asyncio.trsock
contextvars dataclasses graphlib importlib.metadata importlib.resources multiprocessing.resource_tracker
multiprocessing.shared_memory unittest.async_case zoneinfo
`,
    nyn: `
asyncio.compat encodings.cp65001 multiprocessing.semaphore_tracker
`,
    nyy: `
asyncio asyncio.base_events asyncio.base_futures asyncio.base_subprocess asyncio.base_tasks asyncio.constants
asyncio.coroutines asyncio.events asyncio.futures asyncio.locks asyncio.log asyncio.proactor_events
asyncio.protocols asyncio.queues asyncio.selector_events asyncio.sslproto asyncio.streams asyncio.subprocess
asyncio.tasks asyncio.transports asyncio.unix_events asyncio.windows_events asyncio.windows_utils builtins
collections.abc concurrent concurrent.futures configparser copyreg dbm dbm.dumb dbm.gnu dbm.ndbm
email.contentmanager email.headerregistry email.policy encodings.cp1125 encodings.cp273 encodings.koi8_t
encodings.kz1048 encodings.oem enum faulthandler html html.entities html.parser http http.client
http.cookiejar http.cookies http.server importlib.abc importlib.machinery importlib.util ipaddress lzma
multiprocessing.context multiprocessing.forkserver multiprocessing.popen_fork multiprocessing.popen_forkserver
multiprocessing.popen_spawn_posix multiprocessing.popen_spawn_win32 multiprocessing.resource_sharer
multiprocessing.spawn pathlib queue reprlib secrets selectors socketserver statistics tracemalloc turtle
typing unittest.mock urllib.error urllib.parse urllib.request urllib.response urllib.robotparser venv xmlrpc
xmlrpc.client xmlrpc.server xxlimited zipapp
`,
    ynn: `
BaseHTTPServer Bastion CGIHTTPServer ConfigParser Cookie DocXMLRPCServer HTMLParser MimeWriter Queue
SimpleHTTPServer SimpleXMLRPCServer SocketServer StringIO UserDict UserList UserString __builtin__ anydbm
audiodev cPickle cStringIO commands compiler compiler.ast compiler.consts compiler.future compiler.misc
compiler.pyassem compiler.pycodegen compiler.symbols compiler.syntax compiler.transformer compiler.visitor
cookielib copy_reg curses.wrapper dbhash dircache distutils.emxccompiler dumbdbm dummy_thread
encodings.string_escape exceptions fpformat future_builtins hotshot hotshot.log hotshot.stats hotshot.stones
htmlentitydefs htmllib httplib ihooks imputil linuxaudiodev markupbase md5 mhlib mimetools mimify multifile
multiprocessing.forking mutex new os2emxpath popen2 posixfile repr rexec rfc822 robotparser sets sgmllib sha
sre statvfs stringold strop sunaudio thread toaiff urllib2 urlparse user whichdb xmllib xmlrpclib
`,
    yyn: `
dummy_threading encodings.mac_centeuro encodings.unicode_internal macpath macurl2path
`,
  },
  members: {
    nny: `
contextlib.AbstractAsyncContextManager contextlib.AsyncExitStack contextlib.GenericAlias contextlib.MethodType
contextlib.asynccontextmanager contextlib.nullcontext fileinput.GenericAlias functools.GenericAlias
functools.cache functools.cached_property functools.singledispatchmethod gzip.BadGzipFile gzip.main
hashlib.scrypt inspect.ClassFoundException io.open_code math.comb math.dist math.isqrt math.lcm math.nextafter
math.perm math.prod math.remainder math.ulp os.GenericAlias os.Mapping os.copy_file_range os.memfd_create
os.pidfd_open os.posix_spawn os.posix_spawnp os.preadv os.pwritev os.register_at_fork
os.waitstatus_to_exitcode platform.win32_edition platform.win32_is_iot pprint.pp random.randbytes re.Match
re.Pattern shlex.join shutil.nt signal.pidfd_send_signal signal.raise_signal signal.strsignal
signal.valid_signals socket.close socket.create_server socket.has_dualstack_ipv6 socket.recv_fds
socket.send_fds sys.addaudithook sys.audit sys.breakpointhook sys.get_coroutine_origin_tracking_depth
sys.get_int_max_str_digits sys.platlibdir sys.pycache_prefix sys.set_coroutine_origin_tracking_depth
sys.set_int_max_str_digits sys.unraisablehook tarfile.AbsoluteLinkError tarfile.AbsolutePathError
tarfile.FilterError tarfile.LinkOutsideDestinationError tarfile.OutsideDestinationError
tarfile.SpecialFileError tarfile.data_filter tarfile.fully_trusted_filter tarfile.tar_filter
threading.ExceptHookArgs threading.excepthook threading.get_native_id time.clock_gettime_ns
time.clock_settime_ns time.monotonic_ns time.perf_counter_ns time.process_time_ns time.pthread_getcpuclockid
time.thread_time time.thread_time_ns time.time_ns types.CellType types.ClassMethodDescriptorType
types.GenericAlias types.MethodDescriptorType types.MethodWrapperType types.WrapperDescriptorType
types.resolve_bases uuid.SafeUUID zipfile.CompleteDirs zipfile.FastLookup zipfile.Path
`,
    nyn: `
csv.OrderedDict functools.MappingProxyType functools.WeakKeyDictionary sys.get_coroutine_wrapper
sys.set_coroutine_wrapper
`,
    nyy: `
base64.a85decode base64.a85encode base64.b85decode base64.b85encode base64.bytes_types base64.decodebytes
base64.encodebytes base64.main codecs.namereplace_errors collections.AsyncGenerator collections.AsyncIterable
collections.AsyncIterator collections.Awaitable collections.ByteString collections.ChainMap
collections.Collection collections.Coroutine collections.Generator collections.Reversible collections.UserDict
collections.UserList collections.UserString contextlib.AbstractContextManager contextlib.ContextDecorator
contextlib.ExitStack contextlib.deque contextlib.redirect_stderr contextlib.redirect_stdout
contextlib.suppress csv.unix_dialect datetime.timezone functools.RLock functools.get_cache_token
functools.lru_cache functools.namedtuple functools.partialmethod functools.recursive_repr
functools.singledispatch glob.escape glob.magic_check_bytes gzip.compress gzip.decompress hashlib.blake2b
hashlib.blake2s hashlib.sha3_224 hashlib.sha3_256 hashlib.sha3_384 hashlib.sha3_512 hashlib.shake_128
hashlib.shake_256 inspect.BoundArguments inspect.ClosureVars inspect.FrameInfo inspect.FullArgSpec
inspect.OrderedDict inspect.Parameter inspect.Signature inspect.formatannotation
inspect.formatannotationrelativeto inspect.getattr_static inspect.getclosurevars inspect.getcoroutinelocals
inspect.getcoroutinestate inspect.getfullargspec inspect.getgeneratorlocals inspect.getgeneratorstate
inspect.isasyncgen inspect.isasyncgenfunction inspect.isawaitable inspect.iscoroutine
inspect.iscoroutinefunction inspect.k inspect.mod_dict inspect.signature inspect.unwrap inspect.v
itertools.accumulate itertools.filterfalse itertools.zip_longest json.JSONDecodeError json.detect_encoding
locale.delocalize locale.k locale.v logging.PercentStyle logging.StrFormatStyle logging.StringTemplateStyle
logging.Template logging.getLogRecordFactory logging.lastResort logging.setLogRecordFactory math.gcd math.inf
math.isclose math.isfinite math.log2 math.nan math.tau operator.imatmul operator.length_hint operator.matmul
os.DirEntry os.MutableMapping os.PathLike os.cpu_count os.device_encoding os.environb os.fsdecode os.fsencode
os.fspath os.fwalk os.get_blocking os.get_exec_path os.get_inheritable os.get_terminal_size os.getcwdb
os.getenvb os.getgrouplist os.getpriority os.getrandom os.getxattr os.listxattr os.lockf os.path.commonpath
os.pipe2 os.posix_fadvise os.posix_fallocate os.pread os.pwrite os.readv os.removexattr os.replace os.scandir
os.sched_get_priority_max os.sched_get_priority_min os.sched_getaffinity os.sched_getparam
os.sched_getscheduler os.sched_param os.sched_rr_get_interval os.sched_setaffinity os.sched_setparam
os.sched_setscheduler os.sched_yield os.sendfile os.set_blocking os.set_inheritable os.setpriority os.setxattr
os.supports_bytes_environ os.supports_dir_fd os.supports_effective_ids os.supports_fd
os.supports_follow_symlinks os.sync os.terminal_size os.times_result os.truncate os.uname_result os.waitid
os.waitid_result os.writev platform.uname_result random.choices re.RegexFlag re.fullmatch shlex.quote
shutil.ReadError shutil.RegistryError shutil.SameFileError shutil.chown shutil.disk_usage
shutil.get_terminal_size shutil.get_unpack_formats shutil.register_unpack_format shutil.unpack_archive
shutil.unregister_unpack_format shutil.which signal.Handlers signal.Sigmasks signal.Signals
signal.pthread_kill signal.pthread_sigmask signal.sigpending signal.sigtimedwait signal.sigwait
signal.sigwaitinfo signal.struct_siginfo socket.AddressFamily socket.AddressInfo socket.MsgFlag
socket.SocketIO socket.SocketKind socket.dup socket.if_indextoname socket.if_nameindex socket.if_nametoindex
socket.sethostname stat.filemode struct.iter_unpack subprocess.CompletedProcess subprocess.DEVNULL
subprocess.SubprocessError subprocess.TimeoutExpired subprocess.getoutput subprocess.getstatusoutput
subprocess.run sys.abiflags sys.base_exec_prefix sys.base_prefix sys.get_asyncgen_hooks sys.getallocatedblocks
sys.getfilesystemencodeerrors sys.getswitchinterval sys.hash_info sys.implementation sys.int_info sys.intern
sys.is_finalizing sys.set_asyncgen_hooks sys.setswitchinterval sys.thread_info tarfile.main
tarfile.symlink_exception tempfile.TemporaryDirectory tempfile.gettempdirb tempfile.gettempprefixb
textwrap.indent textwrap.shorten threading.Barrier threading.BrokenBarrierError threading.WeakSet
threading.get_ident threading.main_thread time.clock_getres time.clock_gettime time.clock_settime
time.get_clock_info time.monotonic time.perf_counter time.process_time traceback.FrameSummary
traceback.StackSummary traceback.TracebackException traceback.clear_frames traceback.walk_stack
traceback.walk_tb types.AsyncGeneratorType types.CoroutineType types.DynamicClassAttribute
types.MappingProxyType types.SimpleNamespace types.coroutine types.new_class types.prepare_class uuid.bytes_
uuid.int_ zipfile.BadZipFile zipfile.LZMACompressor zipfile.LZMADecompressor
`,
    ynn: `
base64.k base64.test1 base64.v codecs.charbuffer_encode contextlib.GeneratorContextManager contextlib.nested
contextlib.warn copy.PyStringMap copy.name copy.t csv.reduce gzip.read32 hashlib.algorithms inspect.ModuleInfo
inspect.getmoduleinfo inspect.joinseq inspect.strseq itertools.ifilter itertools.ifilterfalse itertools.imap
itertools.izip itertools.izip_longest operator.delslice operator.div operator.getslice operator.idiv
operator.irepeat operator.isCallable operator.isMappingType operator.isNumberType operator.isSequenceType
operator.repeat operator.sequenceIncludes operator.setslice os.getcwdu os.lchmod os.path.walk os.popen2
os.popen3 os.popen4 os.tempnam os.tmpfile os.tmpnam pwd.struct_pwent random.WichmannHill random.division
random.jumpahead shutil.WindowsError shutil.abspath socket.MethodType socket.RAND_add socket.RAND_status
socket.StringIO socket.m socket.meth socket.p socket.partial socket.ssl socket.sslerror string.atof
string.atof_error string.atoi string.atoi_error string.atol string.atol_error string.capitalize string.center
string.count string.expandtabs string.find string.index string.index_error string.join string.joinfields
string.letters string.ljust string.lower string.lowercase string.lstrip string.maketrans string.replace
string.rfind string.rindex string.rjust string.rsplit string.rstrip string.split string.splitfields
string.strip string.swapcase string.translate string.upper string.uppercase string.zfill subprocess.mswindows
sys.exc_clear sys.exc_type sys.exitfunc sys.long_info sys.maxint sys.py3kwarning sys.setdefaultencoding
sys.subversion tarfile.TarFileCompat tarfile.TarIter tarfile.filemode_table tarfile.uts time.accept2dyear
traceback.tb_lineno types.BooleanType types.BufferType types.ClassType types.ComplexType types.DictProxyType
types.DictType types.DictionaryType types.EllipsisType types.FileType types.FloatType types.InstanceType
types.IntType types.ListType types.LongType types.NoneType types.NotImplementedType types.ObjectType
types.SliceType types.StringType types.StringTypes types.TupleType types.TypeType types.UnboundMethodType
types.UnicodeType types.XRangeType urllib.ContentTooShortError urllib.FancyURLopener urllib.URLopener
urllib.addbase urllib.addclosehook urllib.addinfo urllib.addinfourl urllib.always_safe urllib.basejoin
urllib.c urllib.ftpcache urllib.ftperrors urllib.ftpwrapper urllib.getproxies urllib.getproxies_environment
urllib.i urllib.localhost urllib.noheaders urllib.pathname2url urllib.proxy_bypass
urllib.proxy_bypass_environment urllib.quote urllib.quote_plus urllib.reporthook urllib.splitattr
urllib.splithost urllib.splitnport urllib.splitpasswd urllib.splitport urllib.splitquery urllib.splittag
urllib.splittype urllib.splituser urllib.splitvalue urllib.test1 urllib.thishost urllib.toBytes urllib.unquote
urllib.unquote_plus urllib.unwrap urllib.url2pathname urllib.urlcleanup urllib.urlencode urllib.urlopen
urllib.urlretrieve
`,
    yyn: `
base64.decodestring base64.encodestring codecs.unicode_internal_decode codecs.unicode_internal_encode
os.stat_float_times platform.dist platform.linux_distribution platform.popen sys.callstats
sys.getcheckinterval sys.setcheckinterval tarfile.filemode time.clock uuid.lib uuid.libname
`,
  },
  builtins: {
    nny: `
breakpoint
`,
    nyy: `
BlockingIOError BrokenPipeError ChildProcessError ConnectionAbortedError ConnectionError
ConnectionRefusedError ConnectionResetError FileExistsError FileNotFoundError InterruptedError
IsADirectoryError ModuleNotFoundError NotADirectoryError PermissionError ProcessLookupError RecursionError
ResourceWarning StopAsyncIteration TimeoutError ascii
`,
    ynn: `
StandardError apply basestring buffer cmp coerce execfile file intern long raw_input reduce reload unichr
unicode xrange
`,
  },
  methods: {
    nny: `
isascii removeprefix removesuffix
`,
    nyy: `
casefold format_map from_bytes isidentifier isprintable maketrans to_bytes
`,
    ynn: `
has_key iteritems iterkeys itervalues viewitems viewkeys viewvalues
`,
  },
} as const;
