// Asks a gateway how the ARK funds trade a stock, and how analysts changed their ratings. It needs no package:
// bodies are JSON, which both the gateway and OpenD accept.
//
//   Mono:  mcs -r:System.Runtime.Serialization -r:System.Xml -r:System.Xml.Linq Ark.cs
//          mono Ark.exe 127.0.0.1 11111 US.TSLA
//   .NET:  dotnet new console -o ark && cp Ark.cs ark/Program.cs
//          dotnet run --project ark -- 127.0.0.1 11111 US.TSLA
//
// A gateway with an RSA key accepts plain clients with --allow-plaintext.

using System;
using System.IO;
using System.Net.Sockets;
using System.Runtime.Serialization.Json;
using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;

/// <summary>A refusal, with the gateway's sentence.</summary>
class Refused : Exception
{
    public Refused(string sentence) : base(sentence) { }
}

/// <summary>A connection that asks one question at a time.</summary>
class Connection : IDisposable
{
    const int HeaderBytes = 44;
    const byte Json = 1;
    const uint InitConnect = 1001, KeepAlive = 1004;

    readonly TcpClient client;
    readonly NetworkStream stream;
    uint serial;

    public Connection(string host, int port)
    {
        client = new TcpClient(host, port);
        stream = client.GetStream();
        stream.ReadTimeout = 15000;
        Ask(InitConnect, "{\"c2s\":{\"clientVer\":100,\"clientID\":\"csharp\",\"programmingLanguage\":\"CSharp\"}}");
    }

    public void Dispose()
    {
        client.Close();
    }

    /// <summary>Sends a keep-alive. Call it every few seconds between questions.</summary>
    public void StayAlive()
    {
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Ask(KeepAlive, "{\"c2s\":{\"time\":" + seconds + "}}");
    }

    /// <summary>The s2c of the answer, its fields as elements. Throws Refused if the gateway refuses.</summary>
    public XElement Ask(uint protoId, string request)
    {
        byte[] body = Encoding.UTF8.GetBytes(request);
        Send(protoId, ++serial, body);
        XElement response;
        do
        {
            response = Receive(protoId, serial);
        } while (response == null);
        if ((int)response.Element("retType") != 0)
            throw new Refused((string)response.Element("retMsg"));
        return response.Element("s2c");
    }

    void Send(uint protoId, uint number, byte[] body)
    {
        byte[] packet = new byte[HeaderBytes + body.Length];
        packet[0] = (byte)'F';
        packet[1] = (byte)'T';
        Put(packet, 2, protoId);
        packet[6] = Json;
        Put(packet, 8, number);
        Put(packet, 12, (uint)body.Length);
        Digest(body).CopyTo(packet, 16);
        body.CopyTo(packet, HeaderBytes);
        stream.Write(packet, 0, packet.Length);
    }

    /// <summary>The next packet; null for another one, such as a push.</summary>
    XElement Receive(uint protoId, uint number)
    {
        byte[] header = Read(HeaderBytes);
        if (header[0] != 'F' || header[1] != 'T')
            throw new IOException("What arrives is not the protocol.");
        byte[] body = Read(checked((int)Get(header, 12)));
        byte[] digest = Digest(body);
        for (int index = 0; index < digest.Length; index++)
            if (digest[index] != header[16 + index])
                throw new IOException("The SHA-1 of a packet is wrong.");
        if (Get(header, 2) != protoId || Get(header, 8) != number)
            return null;
        using (XmlReader reader = JsonReaderWriterFactory.CreateJsonReader(body, XmlDictionaryReaderQuotas.Max))
            return XElement.Load(reader);
    }

    byte[] Read(int count)
    {
        byte[] data = new byte[count];
        for (int have = 0; have < count;)
        {
            int got = stream.Read(data, have, count - have);
            if (got == 0)
                throw new IOException("The gateway closed the connection.");
            have += got;
        }
        return data;
    }

    static byte[] Digest(byte[] body)
    {
        using (SHA1 sha = SHA1.Create())
            return sha.ComputeHash(body);
    }

    static void Put(byte[] packet, int at, uint value)
    {
        for (int index = 0; index < 4; index++)
            packet[at + index] = (byte)(value >> (8 * index));
    }

    static uint Get(byte[] packet, int at)
    {
        return (uint)(packet[at] | packet[at + 1] << 8 | packet[at + 2] << 16 | packet[at + 3] << 24);
    }
}

class Ark
{
    const uint ArkStockDynamic = 3424, RatingChange = 3426;
    const int UsMarket = 11, CaMarket = 71;

    static int Main(string[] arguments)
    {
        if (arguments.Length != 3 || !arguments[2].Contains("."))
        {
            Console.Error.WriteLine("Ark takes HOST PORT CODE, such as 127.0.0.1 11111 US.TSLA.");
            return 2;
        }
        string[] code = arguments[2].ToUpperInvariant().Split(new[] { '.' }, 2);
        int market = code[0] == "CA" ? CaMarket : UsMarket;
        try
        {
            using (Connection connection = new Connection(arguments[0], int.Parse(arguments[1])))
            {
                XElement dynamic = connection.Ask(ArkStockDynamic,
                    "{\"c2s\":{\"security\":{\"market\":" + market + ",\"code\":\"" + code[1] + "\"}}}");
                foreach (XElement field in dynamic.Elements())
                    if (!field.HasElements)
                        Console.WriteLine(field.Name.LocalName + ": " + field.Value);
                connection.StayAlive();
                XElement page = connection.Ask(RatingChange, "{\"c2s\":{\"market\":" + market + ",\"count\":3}}");
                foreach (XElement item in page.Element("dataList").Elements())
                    Console.WriteLine("rating of " + (string)item.Element("security").Element("code") + " by "
                        + (string)item.Element("institutionName"));
            }
            return 0;
        }
        catch (Exception error) when (error is Refused || error is IOException || error is SocketException)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }
}
